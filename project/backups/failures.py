"""What can be wrong with a backup; each sentence says what to do."""


class BackupFailed(Exception):
    """Nothing was made, or nothing was touched; the text says why and what to do."""


class WrongKeys(BackupFailed):
    """The keys of this installation are not those of the backup."""


class Tampered(BackupFailed):
    """A file is not what the manifest says, or the manifest is not what was written."""


class RestoreBroken(BackupFailed):
    """The restore began and did not end: what was here is gone, and the backup is as it was."""
