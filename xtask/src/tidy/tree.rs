//! The text files of the repository: what git knows or would add.

use std::path::Path;
use std::process::Command;

pub struct TextFile {
    /// From the repository's root, with `/`.
    pub path: String,
    pub text: String,
}

impl TextFile {
    pub fn extension(&self) -> &str {
        self.path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, extension)| extension)
    }

    pub fn is_generated(&self) -> bool {
        self.text.lines().take(5).any(|line| line.contains("@generated"))
    }
}

/// Files that are not UTF-8 are data, not text, and left out.
pub fn read(root: &Path) -> Result<Vec<TextFile>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("git cannot be started to list the files: {e}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    let mut files: Vec<TextFile> = vec![];
    for path in names.split('\0').filter(|name| !name.is_empty()) {
        // A file may be listed and gone (deleted, not yet committed), or a link to a folder.
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path: path.to_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}
