use super::*;
use crate::AppendOptions;
use crate::files::{checkpoint, clean_shutdown};
use crate::log::FetchIsolation;
use crate::names;
use ottla_base::{MemDisk, Offset, OpenMode, SeededRng};
use ottla_wire::records::BatchBuilder;

const NOW: TimestampMs = 1_700_000_000_000;
const A: &str = "/a";
const B: &str = "/b";

fn partition(topic: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic, number)
}

fn start_with(disk: &MemDisk, change: impl FnOnce(&mut LogManagerConfig)) -> std::io::Result<LogManager> {
    let mut config = LogManagerConfig::new(vec![A.into(), B.into()]);
    change(&mut config);
    LogManager::start(Arc::new(disk.clone()), Arc::new(SeededRng::new(1)), config, NOW)
}

fn start(disk: &MemDisk) -> LogManager {
    start_with(disk, |_| {}).unwrap()
}

fn append(log: &Log, count: usize) {
    let mut builder = BatchBuilder::new(0);
    for _ in 0..count {
        builder.append(NOW, Some(b"k"), Some(b"v"), &[]).unwrap();
    }
    log.append_as_leader(&mut builder.build().to_vec(), &AppendOptions::client(0, NOW)).unwrap();
    log.update_high_watermark(Offset::MAX).unwrap();
}

fn listing(disk: &MemDisk, dir: &str) -> Vec<String> {
    disk.read_dir(Path::new(dir)).unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn logs_spread_over_directories_and_survive_a_clean_restart() {
    let disk = MemDisk::new();
    let manager = start(&disk);
    for number in 0..4 {
        let log = manager.get_or_create(&partition("t", number), Some(Uuid([7; 16])), true, None).unwrap();
        append(&log, number as usize + 1);
    }
    assert_eq!(manager.dirs().iter().map(|dir| dir.log_count).collect::<Vec<_>>(), [2, 2]);
    manager
        .get(&partition("t", 3))
        .unwrap()
        .increment_log_start_offset(2, crate::LogStartOffsetReason::ClientRecordDeletion)
        .unwrap();
    assert!(start_with(&disk, |_| {}).is_err(), "the directories are locked");
    manager.shutdown(42, NOW).unwrap();
    for dir in [A, B] {
        assert_eq!(clean_shutdown::read_broker_epoch(&disk, Path::new(dir)), Some(42));
    }

    let manager = start(&disk);
    assert_eq!(manager.previous_broker_epoch(), Some(42));
    assert!(!clean_shutdown::exists(&disk, Path::new(A)));
    for number in 0..4 {
        let log = manager.get(&partition("t", number)).unwrap();
        assert!(!log.is_open());
        assert_eq!(log.high_watermark(), i64::from(number) + 1);
        assert_eq!(log.topic_id().unwrap(), Some(Uuid([7; 16])));
        assert!(!log.is_open());
        assert_eq!(log.log_end_offset().unwrap(), i64::from(number) + 1);
    }
    assert_eq!(manager.get(&partition("t", 3)).unwrap().log_start_offset(), 2);
    let wrong = manager.get_or_create(&partition("t", 0), Some(Uuid([8; 16])), false, None).err().unwrap();
    assert_eq!(wrong.code, ErrorCode::InconsistentTopicId);
}

#[test]
fn an_unclean_directory_gets_its_mark_only_when_all_is_recovered() {
    let disk = MemDisk::new();
    let manager = start(&disk);
    for number in 0..4 {
        append(&manager.get_or_create(&partition("t", number), None, true, None).unwrap(), 3);
    }
    manager.checkpoint_high_watermarks();
    drop(manager);

    let manager = start(&disk);
    assert_eq!(manager.recover_some(1), 3);
    manager.shutdown(1, NOW).unwrap();
    assert!(!clean_shutdown::exists(&disk, Path::new(A)) && !clean_shutdown::exists(&disk, Path::new(B)));

    let manager = start(&disk);
    while manager.recover_some(3) > 0 {}
    for log in manager.logs() {
        assert_eq!((log.high_watermark(), log.log_end_offset().unwrap()), (3, 3));
    }
    manager.shutdown(1, NOW).unwrap();
    assert!(clean_shutdown::exists(&disk, Path::new(A)) && clean_shutdown::exists(&disk, Path::new(B)));
}

#[test]
fn deletion_renames_now_and_removes_later() {
    let disk = MemDisk::new();
    let manager = start(&disk);
    let gone = partition("gone", 0);
    let log = manager.get_or_create(&gone, None, true, None).unwrap();
    append(&log, 5);
    log.increment_log_start_offset(3, crate::LogStartOffsetReason::ClientRecordDeletion).unwrap();
    manager.checkpoint_log_start_offsets();
    let slice = log.read(3, 1000, FetchIsolation::LogEnd, true).unwrap().records.unwrap();
    manager.delete([&gone], NOW).unwrap();
    assert!(manager.get(&gone).is_none());
    assert_eq!(log.log_end_offset().unwrap_err().code, ErrorCode::KafkaStorageError);
    assert!(!slice.read().unwrap().is_empty(), "a reader can finish");
    let renamed = listing(&disk, A).into_iter().find(|name| name.ends_with("-delete")).unwrap();
    assert!(renamed.starts_with("gone-0."));
    let path = Path::new(A).join(names::LOG_START_OFFSET_CHECKPOINT);
    assert_eq!(checkpoint::read_offsets(&disk, &path).unwrap(), []);
    // The same name begins anew at once.
    assert_eq!(manager.get_or_create(&gone, None, true, None).unwrap().log_end_offset().unwrap(), 0);
    assert_eq!(manager.tick(NOW + 59_999).deleted_dirs, 0);
    assert_eq!(manager.tick(NOW + 60_000).deleted_dirs, 1);
    assert!(!listing(&disk, A).contains(&renamed));
}

#[test]
fn what_a_start_finds() {
    let disk = MemDisk::new();
    for dir in [
        "/a/t-0",
        "/a/old-1.00112233445566778899aabbccddeeff-delete",
        "/a/odd-2.00112233445566778899aabbccddeeff-stray",
        "/a/__cluster_metadata-0",
        "/a/lost+found",
        "/a/remote-log-index-cache",
        "/b/t-0.00112233445566778899aabbccddeeff-future",
    ] {
        disk.create_dir_all(Path::new(dir)).unwrap();
    }
    let manager = start(&disk);
    assert_eq!(manager.logs().iter().map(|log| log.partition().clone()).collect::<Vec<_>>(), [partition("t", 0)]);
    assert!(manager.get_future(&partition("t", 0)).is_some());
    assert_eq!(manager.strays().len(), 1);
    manager.tick(NOW + 60_000);
    assert!(!listing(&disk, A).iter().any(|name| name.ends_with("-delete")));
    assert!(listing(&disk, A).iter().any(|name| name.ends_with("-stray")));
    drop(manager);
    disk.create_dir_all(Path::new("/b/t-0")).unwrap();
    let error = start_with(&disk, |_| {}).err().unwrap().to_string();
    assert!(error.contains("/a/t-0") && error.contains("/b/t-0"), "{error}");
}

#[test]
fn a_copy_takes_the_place_of_a_log() {
    let disk = MemDisk::new();
    for (dir, id) in [(A, 1), (B, 2)] {
        disk.create_dir_all(Path::new(dir)).unwrap();
        crate::MetaProperties::write(&disk, Path::new(dir), "c", 1, Some(Uuid([id; 16])), NOW).unwrap();
    }
    let manager = start(&disk);
    let p = partition("t", 0);
    let current = manager.get_or_create(&p, None, true, Some(Uuid([1; 16]))).unwrap();
    append(&current, 5);
    assert_eq!(manager.directory_of(&p), Some(Uuid([1; 16])));
    assert!(manager.get_or_create_future(&p, None, Uuid([1; 16])).is_err());
    let future = manager.get_or_create_future(&p, None, Uuid([2; 16])).unwrap();
    let slice = current.read(0, 1000, FetchIsolation::LogEnd, true).unwrap().records.unwrap();
    future.append_as_follower(&slice.read().unwrap(), 0, NOW).unwrap();
    manager.replace_current_with_future(&p, NOW).unwrap();
    assert_eq!(manager.directory_of(&p), Some(Uuid([2; 16])));
    assert!(manager.get_future(&p).is_none());
    let log = manager.get(&p).unwrap();
    assert_eq!((log.high_watermark(), log.log_end_offset().unwrap()), (5, 5));
    assert_eq!(log.dir(), Path::new("/b/t-0"));
    append(&log, 1);
    assert!(disk.exists(Path::new("/b/t-0/00000000000000000000.log")));
}

#[test]
fn a_failed_directory_takes_its_logs_out_of_service() {
    let disk = MemDisk::new();
    let manager = start(&disk);
    for number in 0..4 {
        append(&manager.get_or_create(&partition("t", number), None, true, None).unwrap(), 1);
    }
    let offline = manager.fail_dir(Path::new(A), "the disk is broken");
    assert_eq!(offline, [partition("t", 0), partition("t", 2)]);
    assert!(manager.fail_dir(Path::new(A), "again").is_empty());
    assert_eq!(manager.len(), 2);
    let refused = manager.get_or_create(&partition("t", 0), None, false, None).err().unwrap();
    assert_eq!(refused.code, ErrorCode::KafkaStorageError);
    manager.get_or_create(&partition("new", 0), None, true, None).unwrap();
    manager.shutdown(1, NOW).unwrap();
    assert!(!clean_shutdown::exists(&disk, Path::new(A)) && clean_shutdown::exists(&disk, Path::new(B)));
}

#[test]
fn the_recovery_point_on_disk_follows_a_truncation() {
    let disk = MemDisk::new();
    let manager = start(&disk);
    let p = partition("t", 0);
    let log = manager.get_or_create(&p, None, true, None).unwrap();
    for _ in 0..5 {
        append(&log, 1);
    }
    log.flush(NOW).unwrap();
    let on_disk = || {
        let path = log.dir().parent().unwrap().join(names::RECOVERY_POINT_CHECKPOINT);
        checkpoint::read_offsets(&disk, &path).unwrap()[0].1
    };
    manager.checkpoint_recovery_points();
    assert_eq!(on_disk(), 5);
    assert!(manager.truncate_to(&p, 3, false, NOW).unwrap());
    assert!(on_disk() <= 3);
    manager.truncate_fully_and_start_at(&p, 100, None, false, NOW).unwrap();
    assert_eq!(log.log_start_offset(), 100);
    assert!(manager.truncate_to(&partition("t", 1), 3, false, NOW).is_err());
}

#[test]
fn topic_configurations_reach_the_logs() {
    let disk = MemDisk::new();
    let manager = start(&disk);
    let log = manager.get_or_create(&partition("t", 0), None, true, None).unwrap();
    let other = manager.get_or_create(&partition("tt", 0), None, true, None).unwrap();
    let config = Arc::new(LogConfig { retention_ms: 5, ..LogConfig::default() });
    manager.update_topic_config("t", Some(config.clone()));
    assert_eq!((log.config().retention_ms, other.config().retention_ms), (5, 604_800_000));
    assert_eq!(manager.get_or_create(&partition("t", 1), None, true, None).unwrap().config(), config);
    manager.update_default_config(Arc::new(LogConfig { retention_ms: 9, ..LogConfig::default() }));
    assert_eq!((log.config().retention_ms, other.config().retention_ms), (5, 9));
    manager.update_topic_config("t", None);
    assert_eq!(log.config().retention_ms, 9);
}

#[test]
fn a_tick_keeps_house() {
    let disk = MemDisk::new();
    let manager = start_with(&disk, |config| {
        config.default_config = Arc::new(LogConfig { segment_bytes: 200, retention_ms: 1000, ..LogConfig::default() });
    })
    .unwrap();
    let p = partition("t", 0);
    let log = manager.get_or_create(&p, Some(Uuid([3; 16])), true, None).unwrap();
    for _ in 0..10 {
        append(&log, 1);
    }
    manager.tick(NOW + 1);
    assert_eq!(log.recovery_point(), log.segments().unwrap().last().unwrap().0, "closed segments are flushed");
    let report = manager.tick(NOW + 300_000);
    assert!(report.deleted_segments > 3);
    let path = log.dir().parent().unwrap().join(names::RECOVERY_POINT_CHECKPOINT);
    assert_eq!(checkpoint::read_offsets(&disk, &path).unwrap()[0].0, p);
    log.flush(NOW + 300_000).unwrap();
    manager.tick(NOW + 400_000);
    let report = manager.tick(NOW + 2_000_000);
    assert_eq!(report.parked, 1);
    assert!(!log.is_open());
    assert_eq!(log.log_end_offset().unwrap(), 10);
}

#[test]
fn an_idle_partition_is_nearly_free() {
    assert!(size_of::<Log>() < 300, "{} bytes", size_of::<Log>());
    let disk = MemDisk::new();
    let manager = start(&disk);
    for number in 0..500 {
        let log = manager.get_or_create(&partition("many", number), None, true, None).unwrap();
        if number % 10 == 0 {
            append(&log, 1);
        }
    }
    manager.shutdown(1, NOW).unwrap();
    let manager = start(&disk);
    assert_eq!(manager.len(), 500);
    for second in 0..20 {
        manager.tick(NOW + 300_000 + second * 1000);
    }
    assert_eq!(manager.logs().iter().filter(|log| log.is_open()).count(), 0);
    assert!(manager.context().files().open_files() <= manager.config.max_open_files);
    assert_eq!(manager.get(&partition("many", 10)).unwrap().log_end_offset().unwrap(), 1);
    // Partitions of one topic share its name.
    let first = manager.get(&partition("many", 0)).unwrap();
    let second = manager.get(&partition("many", 1)).unwrap();
    assert!(Arc::ptr_eq(&first.partition().topic, &second.partition().topic));
}

#[test]
fn a_damaged_checkpoint_costs_a_recovery_only() {
    let disk = MemDisk::new();
    let manager = start(&disk);
    append(&manager.get_or_create(&partition("t", 0), None, true, None).unwrap(), 3);
    manager.checkpoint_recovery_points();
    drop(manager);
    let path = Path::new(A).join(names::RECOVERY_POINT_CHECKPOINT);
    disk.open(&path, OpenMode::Truncate).unwrap().write_at(b"nonsense", 0).unwrap();
    let manager = start(&disk);
    assert_eq!(manager.get(&partition("t", 0)).unwrap().log_end_offset().unwrap(), 3);
}
