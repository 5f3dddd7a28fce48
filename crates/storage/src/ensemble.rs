//! The log directories of a node together: which are formatted, and whether they belong to each other.

use ottla_base::{Disk, NodeId, Uuid};
use ottla_log::MetaProperties;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const META_PROPERTIES_FILE: &str = "meta.properties";

#[derive(Debug, Default)]
pub struct Ensemble {
    pub formatted: BTreeMap<PathBuf, MetaProperties>,
    /// Not formatted, or not there.
    pub empty: Vec<PathBuf>,
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

impl Ensemble {
    pub fn load(disk: &dyn Disk, dirs: &[PathBuf]) -> Ensemble {
        let mut ensemble = Ensemble::default();
        for dir in dirs {
            match MetaProperties::read(disk, dir) {
                Ok(Some(properties)) => {
                    ensemble.formatted.insert(dir.clone(), properties);
                }
                Ok(None) => ensemble.empty.push(dir.clone()),
                Err(error) => ensemble.unreadable.push((dir.clone(), error)),
            }
        }
        ensemble
    }

    /// That all formatted directories are of one node and cluster (of these, where they are given). The error is in Kafka's words.
    pub fn verify(&self, mut cluster_id: Option<String>, mut node_id: Option<NodeId>) -> Result<(), String> {
        let mut seen: BTreeMap<Uuid, &Path> = BTreeMap::new();
        for (dir, properties) in &self.formatted {
            let path = dir.join(META_PROPERTIES_FILE).display().to_string();
            if let Some(read) = &properties.cluster_id {
                let expected = cluster_id.get_or_insert_with(|| read.clone());
                if read != expected {
                    return Err(format!("Invalid cluster.id in: {path}. Expected {expected}, but read {read}"));
                }
            }
            if let Some(read) = properties.node_id {
                let expected = *node_id.get_or_insert(read);
                if read != expected {
                    return Err(format!(
                        "Stored node id {read} doesn't match previous node id {expected} in {path}. If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should remove all data in your data directories."
                    ));
                }
            }
            if let Some(id) = properties.directory_id {
                if id.is_reserved() {
                    return Err(format!("Invalid reserved directory ID {id} found in {}", dir.display()));
                }
                if let Some(other) = seen.insert(id, dir) {
                    return Err(format!(
                        "Duplicate directory ID Optional[{id}] found. It was the ID of {}, but also of {}",
                        other.display(),
                        dir.display()
                    ));
                }
            }
        }
        Ok(())
    }

    /// That no directory has yet.
    pub fn new_directory_id(&self, rng: &dyn ottla_base::Rng) -> Uuid {
        loop {
            let id = rng.next_uuid();
            if self.formatted.values().all(|properties| properties.directory_id != Some(id)) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::MemDisk;

    fn check(dirs: &[(&str, &str, i32, u8)], expected: Result<(), &str>) {
        let disk = MemDisk::new();
        for (dir, cluster, node, id) in dirs {
            let dir = Path::new(dir);
            disk.create_dir_all(dir).unwrap();
            MetaProperties::write(&disk, dir, cluster, *node, Some(Uuid([*id; 16])), 0).unwrap();
        }
        let paths: Vec<PathBuf> = dirs.iter().map(|(dir, ..)| PathBuf::from(dir)).collect();
        let ensemble = Ensemble::load(&disk, &paths);
        assert_eq!(ensemble.verify(Some("c".to_owned()), None), expected.map_err(str::to_owned));
    }

    #[test]
    fn directories_must_belong_together() {
        check(&[("/a", "c", 1, 1), ("/b", "c", 1, 2)], Ok(()));
        check(&[("/a", "d", 1, 1)], Err("Invalid cluster.id in: /a/meta.properties. Expected c, but read d"));
        check(
            &[("/a", "c", 1, 1), ("/b", "c", 1, 1)],
            Err("Duplicate directory ID Optional[AQEBAQEBAQEBAQEBAQEBAQ] found. It was the ID of /a, but also of /b"),
        );
        check(&[("/a", "c", 1, 0)], Err("Invalid reserved directory ID AAAAAAAAAAAAAAAAAAAAAA found in /a"));
        check(
            &[("/a", "c", 1, 1), ("/b", "c", 2, 2)],
            Err(
                "Stored node id 2 doesn't match previous node id 1 in /b/meta.properties. If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should remove all data in your data directories.",
            ),
        );
    }

    #[test]
    fn what_cannot_be_read_is_set_aside() -> io::Result<()> {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/bad"))?;
        disk.write_atomic(Path::new("/bad/meta.properties"), b"version=7\n")?;
        let ensemble = Ensemble::load(&disk, &[PathBuf::from("/bad"), PathBuf::from("/new")]);
        assert_eq!(ensemble.empty, [PathBuf::from("/new")]);
        assert_eq!(ensemble.unreadable.len(), 1);
        Ok(())
    }
}
