//! Edits a file of the user: `~/.kube/config`, `~/.aws/config`, `~/.vault`, `config.toml`.
//!
//! Line ends, byte order mark, owner, permissions, symbolic and hard links are preserved. The new text is parsed
//! before it is written. A file that has changed since it was read is not written.
//!
//! Usually a new file is renamed over the old one, so that readers see the old content or the new one. If a
//! rename is impossible or would lose something, the content is overwritten in place: for mount points (a
//! container's bind mount), owners that cannot be preserved, additional hard links, and access lists.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::target::{check_creatable, check_kind, final_target, folder_of, read};
use super::temporary::{is_closed_folder, is_mount_point, persist_as_free_name, temporary_in};
use super::{line_ends, system};
use crate::digest::Digest;
use crate::error::{Error, Result, shown};
use crate::message;

/// Another run holds the lock for a few milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses a new text as the file's own program does, and fails if that would fail.
pub type Verify = Box<dyn Fn(&str) -> Result<()>>;

pub struct EditedFile {
    what: &'static str,
    path: PathBuf,
    /// The target of symbolic links.
    target: PathBuf,
    /// `None` if the file does not exist.
    ///
    /// Security: files of other programs contain secrets.
    content: Option<Zeroizing<String>>,
    text: Zeroizing<String>,
}

/// Security: without the content.
impl fmt::Debug for EditedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl EditedFile {
    /// Reads a file. `what` names it in errors, such as `the kubeconfig`.
    pub fn open(what: &'static str, path: &Path) -> Result<Self> {
        let unreadable = |cause: io::Error| Error::unreadable(what, path, cause);
        // Before links are resolved: `/dev/fd/N` of a pipe has no target path.
        check_kind(path).map_err(unreadable)?;
        let target = final_target(path);
        let content = read(&target).map_err(unreadable)?;
        let text = line_ends::plain(content.as_ref().map_or("", |content| content.as_str()));
        Ok(Self { what, path: path.to_owned(), target, content, text: Zeroizing::new(text) })
    }

    /// The path before links are resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub const fn exists(&self) -> bool {
        self.content.is_some()
    }

    /// A digest of the content; that of an empty file if the file does not exist.
    pub fn digest(&self) -> String {
        Digest::of(self.content().as_bytes()).to_hex()
    }

    pub fn has_byte_order_mark(&self) -> bool {
        self.content().starts_with('\u{feff}')
    }

    fn content(&self) -> &str {
        self.content.as_ref().map_or("", |content| content.as_str())
    }

    /// The text with LF line ends and without a byte order mark; empty if the file does not exist.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Fails if the file cannot be written. Call this for all files before writing the first.
    pub fn check_writable(&self) -> Result<()> {
        let checked = if self.exists() {
            system::check_file_writable(&self.target)
        } else {
            check_creatable(&self.target)
        };
        checked.map_err(|cause| self.unwritten(cause))
    }

    /// Copies the file to a new file beside it, with the same owner and mode 0600. `None` if the folder is
    /// not writable, which is common for a file that is a mount point.
    pub fn copy(&self, name: &Path) -> Result<Option<PathBuf>> {
        let name = self.path.with_file_name(name);
        let copied =
            temporary_in(folder_of(&name), self.content().as_bytes()).and_then(|mut file| {
                // Ignored: a backup with another owner is still a backup.
                let _ = std::fs::metadata(&self.target)
                    .and_then(|metadata| system::give_owner(file.as_file_mut(), &metadata));
                persist_as_free_name(file, &name)
            });
        match copied {
            Ok(copy) => Ok(Some(copy)),
            Err(error) if is_closed_folder(&error) => Ok(None),
            Err(cause) => Err(Error::unwritten(name, cause)),
        }
    }

    /// Writes a new text. `verify` gets the text as readers of the file will see it.
    pub fn replace(&self, new_text: &str, verify: impl Fn(&str) -> Result<()>) -> Result<()> {
        let content = Zeroizing::new(line_ends::restored(self.content(), new_text));
        verify(&Zeroizing::new(line_ends::plain(&content)))?;
        self.put(&content)
    }

    /// Writes the content of another file, to the byte.
    pub fn replace_with(&self, other: &Self) -> Result<()> {
        self.put(other.content())
    }

    pub fn remove(&self) -> Result<()> {
        let _lock = self.lock();
        self.check_unchanged()?;
        std::fs::remove_file(&self.target).map_err(|cause| self.unwritten(cause))
    }

    fn put(&self, content: &str) -> Result<()> {
        let _lock = self.lock();
        self.check_unchanged()?;
        self.write(content.as_bytes()).map_err(|cause| match cause.kind() {
            // Another program has created the file meanwhile.
            ErrorKind::AlreadyExists => self.changed(),
            _ => self.unwritten(cause),
        })?;
        match read(&self.target) {
            Ok(Some(written)) if **written == *content => Ok(()),
            Ok(_) => Err(self.unwritten(io::Error::other("it reads back differently"))),
            Err(cause) => Err(self.unwritten(cause)),
        }
    }

    /// Undoes `replace`: restores the old content, unless another program has written the file since.
    pub fn restore(&self, new_text: &str) -> Result<()> {
        let _lock = self.lock();
        let now = Self::open(self.what, &self.path)?;
        if now.text() != new_text || now.target != self.target {
            return Err(self.changed());
        }
        let restored = match &self.content {
            Some(old) => now.write(old.as_bytes()),
            None => std::fs::remove_file(&self.target),
        };
        restored.map_err(|cause| self.unwritten(cause))
    }

    /// Fails if the file has changed since it was read.
    pub fn check_unchanged(&self) -> Result<()> {
        let now = Self::open(self.what, &self.path)?;
        if now.content == self.content && now.target == self.target {
            return Ok(());
        }
        Err(self.changed())
    }

    /// Locks the folder against other runs of this program, until the result is dropped, so that the file
    /// cannot change between the check and the write.
    fn lock(&self) -> Option<File> {
        let folder = folder_of(&self.target);
        // Ignored: the write reports the error.
        let _ = system::make_folders(folder);
        system::lock_folder(folder, LOCK_TIMEOUT)
    }

    fn changed(&self) -> Error {
        Error::Conflict {
            problem: message!("`{}` has changed since it was read", shown(&self.path)),
            hint: "run the command again".into(),
        }
    }

    fn write(&self, content: &[u8]) -> io::Result<()> {
        let old = match std::fs::metadata(&self.target) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return self.create(content),
            Err(error) => return Err(error),
        };
        if system::has_links_or_attributes(&self.target, &old) {
            return self.write_in_place(content);
        }
        let mut file = match temporary_in(folder_of(&self.target), content) {
            Err(error) if is_closed_folder(&error) => return self.write_in_place(content),
            file => file?,
        };
        if system::give_owner(file.as_file_mut(), &old).is_err() {
            return self.write_in_place(content);
        }
        file.as_file().set_permissions(old.permissions())?;
        match file.persist(&self.target) {
            Err(error) if is_mount_point(&error.error) || is_closed_folder(&error.error) => {
                self.write_in_place(content)
            }
            Err(error) => Err(error.error),
            Ok(_) => {
                system::sync_folder(&self.target);
                Ok(())
            }
        }
    }

    /// Creates the file with the owner of its folder, so that `sudo` does not create root's files in a user's
    /// home.
    fn create(&self, content: &[u8]) -> io::Result<()> {
        let folder = folder_of(&self.target);
        system::make_folders(folder)?;
        let mut file = temporary_in(folder_of(&self.target), content)?;
        system::take_owner_of_folder(file.as_file_mut(), folder)?;
        file.persist_noclobber(&self.target).map_err(|error| error.error)?;
        system::sync_folder(&self.target);
        Ok(())
    }

    /// Overwrites the content of the file. A copy of the old content exists until that has succeeded.
    fn write_in_place(&self, content: &[u8]) -> io::Result<()> {
        let mut file = system::open_to_write(&self.target)?;
        let old = self.content();
        let copy = match temporary_in(folder_of(&self.target), old.as_bytes()) {
            Err(error) if is_closed_folder(&error) => {
                temporary_in(&std::env::temp_dir(), old.as_bytes())?
            }
            copy => copy?,
        };
        let mut overwrite = |content: &[u8]| {
            file.rewind()?;
            file.write_all(content)?;
            file.set_len(content.len() as u64)?;
            file.sync_all()
        };
        let Err(cause) = overwrite(content) else { return Ok(()) };
        if overwrite(old.as_bytes()).is_ok() {
            return Err(cause);
        }
        let kept = copy.into_temp_path().keep().map_err(|error| error.error)?;
        let problem = format!("{cause}; the old content is in {}", kept.display());
        Err(io::Error::new(cause.kind(), problem))
    }

    fn unwritten(&self, cause: io::Error) -> Error {
        Error::unwritten(&self.path, cause)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;
    use crate::error::Code;

    fn edit(path: &Path, change: impl Fn(&str) -> String) -> Result<()> {
        let file = EditedFile::open("the file", path)?;
        file.check_writable()?;
        file.replace(&change(file.text()), |_| Ok(()))
    }

    fn written(path: &Path, content: &str) {
        #[allow(clippy::unwrap_used, reason = "it is part of a test")]
        crate::private_file::write(path, content.as_bytes()).unwrap();
    }

    #[test]
    fn an_edit_keeps_line_ends_mode_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dotfiles");
        let (link, hard) = (folder.path().join("link"), folder.path().join("hard"));
        written(&path, "\u{feff}a\r\nb\r\n");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        symlink("dotfiles", &link).unwrap();
        edit(&link, |text| text.replace("a\n", "a\nnew\n")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "\u{feff}a\r\nnew\r\nb\r\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        fs::hard_link(&path, &hard).unwrap();
        edit(&path, |_| "short\n".into()).unwrap();
        assert_eq!(fs::read_to_string(&hard).unwrap(), "\u{feff}short\r\n");
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 3, "no temporary file is left behind");
    }

    #[test]
    fn a_missing_file_is_created_at_the_target_of_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("a/b/config", &link).unwrap();
        edit(&link, |text| format!("{text}new\n")).unwrap();
        let path = folder.path().join("a/b/config");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(folder.path().join("a")).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn root_keeps_the_owner_of_file_and_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        written(&path, "a\n");
        // Only root can give a file away.
        if [&path, folder.path()].iter().any(|path| chown(path, Some(4321), Some(1234)).is_err()) {
            return;
        }
        let owner = |path: &Path| fs::metadata(path).map(|file| (file.uid(), file.gid())).unwrap();
        edit(&path, |_| "b\n".into()).unwrap();
        assert_eq!(owner(&path), (4321, 1234));
        let new = folder.path().join("new/folder/file");
        edit(&new, |_| "c\n".into()).unwrap();
        assert_eq!(owner(&new), (4321, 1234));
        assert_eq!(owner(&folder.path().join("new")), (4321, 1234));
        let file = EditedFile::open("the file", &path).unwrap();
        let copy = file.copy(Path::new("config.bak")).unwrap().unwrap();
        assert_eq!(
            (owner(&copy), fs::read_to_string(&copy).unwrap()),
            ((4321, 1234), "b\n".into())
        );
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        for before in [None, Some("a\n")] {
            if let Some(text) = before {
                written(&path, text);
            }
            let file = EditedFile::open("the file", &path).unwrap();
            written(&path, "other\n");
            let error = file.replace("b\n", |_| Ok(())).unwrap_err();
            assert_eq!(error.code(), Code::Conflict);
            assert_eq!(fs::read_to_string(&path).unwrap(), "other\n");
        }
    }

    #[test]
    fn a_text_that_its_reader_rejects_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        written(&path, "a\r\n");
        let file = EditedFile::open("the file", &path).unwrap();
        let rejects = |text: &str| {
            assert_eq!(text, "b\nc\n");
            Err(Error::Internal("rejected".into()))
        };
        assert!(file.replace("b\nc\n", rejects).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\r\n");
    }

    #[test]
    fn only_regular_text_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, text) = (folder.path().join("pipe"), folder.path().join("latin-1"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        crate::private_file::write(&text, b"a\n\xe4\n").unwrap();
        let circle = folder.path().join("circle");
        symlink("circle", &circle).unwrap();
        for (path, problem) in [
            (pipe.as_path(), "it is not a regular file"),
            (folder.path(), "it is a folder"),
            (&text, "it is not UTF-8 in line 2; save it as UTF-8"),
            (&circle, "too many levels of symbolic links"),
        ] {
            let error = EditedFile::open("the file", path).unwrap_err().to_string();
            assert!(error.ends_with(problem), "{error}");
        }
    }

    #[test]
    fn an_unwritable_place_is_detected_before_writing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        written(&file, "a\n");
        let below = EditedFile::open("the file", &file.join("b")).and_then(|b| b.check_writable());
        assert!(below.is_err());
        // Root may write everywhere.
        fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
        let is_root = system::open_to_write(&file).is_ok();
        let read_only = EditedFile::open("the file", &file).unwrap().check_writable();
        assert_eq!(read_only.is_ok(), is_root);
    }
}
