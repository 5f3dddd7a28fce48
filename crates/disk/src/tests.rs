use super::*;
use std::path::PathBuf;
use std::process::Command;

struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ottla-disk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn reads_and_writes_at_positions() {
    let dir = TempDir::new("rw");
    let path = dir.0.join("f");
    let disk = RealDisk::new();
    assert_eq!(disk.open(&path, OpenMode::ReadWrite).err().unwrap().kind(), io::ErrorKind::NotFound);
    let file = disk.open(&path, OpenMode::Create).unwrap();
    file.write_all_at(&[b"", b"ab", b"", b"cdef"], 2).unwrap();
    file.write_all_at(&[], 0).unwrap();
    file.sync().unwrap();
    let mut buf = [9; 10];
    assert_eq!(file.read_at(&mut buf, 0).unwrap(), 8);
    assert_eq!(&buf[..8], b"\0\0abcdef");
    file.set_len(3).unwrap();
    assert_eq!(disk.open(&path, OpenMode::Create).unwrap().len().unwrap(), 3);
    assert_eq!(disk.open(&path, OpenMode::Truncate).unwrap().len().unwrap(), 0);
    assert!(file.as_fd().is_some());
}

#[test]
fn directories() {
    let dir = TempDir::new("dirs");
    let disk = RealDisk::new();
    let sub = dir.0.join("a/b");
    disk.create_dir_all(&sub).unwrap();
    disk.write_atomic(&sub.join("f"), b"xyz").unwrap();
    assert_eq!(disk.read_dir(&sub).unwrap(), [DirEntry { name: "f".into(), is_dir: false, len: 3 }]);
    disk.rename(&sub, &dir.0.join("c")).unwrap();
    assert_eq!(disk.read(&dir.0.join("c/f")).unwrap(), b"xyz");
    let mut names: Vec<_> = disk.read_dir(&dir.0).unwrap().into_iter().map(|e| (e.name, e.is_dir)).collect();
    names.sort();
    assert_eq!(names, [("a".into(), true), ("c".into(), true)]);
    disk.remove_dir_all(&dir.0.join("c")).unwrap();
    assert!(!disk.exists(&dir.0.join("c")));
    let space = disk.space(&dir.0).unwrap();
    assert!(space.usable > 0 && space.total >= space.usable);
}

#[test]
fn errors_name_the_file() {
    let error = RealDisk::new().open(Path::new("/nowhere/x"), OpenMode::Read).err().unwrap();
    assert!(error.to_string().contains("/nowhere/x"), "{error}");
}

#[test]
fn a_lock_excludes_this_process_and_others() {
    let dir = TempDir::new("lock");
    let path = dir.0.join(".lock");
    let disk = RealDisk::new();
    let held = disk.lock(&path).unwrap();
    assert_eq!(disk.lock(&path).err().unwrap().kind(), io::ErrorKind::WouldBlock);
    // Another process, through the same kind of lock that a JVM takes. Skipped where there is no Python.
    let program = "import fcntl,sys\nfcntl.lockf(open(sys.argv[1],'r+'), fcntl.LOCK_EX|fcntl.LOCK_NB)";
    let other = || Command::new("python3").args(["-c", program]).arg(&path).output().map(|out| out.status.success());
    if let Ok(locked) = other() {
        assert!(!locked);
    }
    drop(held);
    if let Ok(locked) = other() {
        assert!(locked);
    }
    drop(disk.lock(&path).unwrap());
}
