"""Every way histoscore can refuse, and the exit code that follows.

    HistoscoreError
    ├── UsageError            exit 1: nothing was started
    │   ├── ManifestError     the study sheet (or another sheet) is wrong
    │   ├── ConfigError       the YAML configuration is wrong
    │   ├── ModelError        the model bundle cannot be used
    │   └── RunMismatchError  the run folder belongs to another config, model or study
    ├── RunInUseError         exit 3: another process works on this run folder
    ├── EnvironmentStopError  exit 4: disk, permissions
    ├── DeviceError           exit 4: a GPU or its driver failed; a fresh process may get on
    ├── ReviewError           a decision on the review page is not taken
    │   ├── StaleDecisionError  the compartment was decided elsewhere meanwhile
    │   └── MissingReasonError  a change says nothing of why
    ├── StoredResultError     a stored result is unfinished or changed, and is made again
    └── SlideError            one slide is `failed`; the others go on (exit 2 at the end)
        ├── NotASlideError        empty, renamed, not an image at all
        ├── UnsupportedSlideError a real image of a kind that cannot be read here
        ├── DamagedSlideError     truncated, unreadable, changed since ingest
        ├── UnreachableSlideError permissions, a share that dropped: a rerun tries again
        ├── PixelSizeError        no believable µm per pixel
        └── PredictionError       the network's output cannot be trusted (not finite)

The text of each error is written for the person at the screen: which file, what is wrong, what
to do next.
"""


class HistoscoreError(Exception):
    """Base of everything histoscore raises on purpose."""

    exit_code = 1


class UsageError(HistoscoreError):
    """The request cannot be started as it stands."""


class ManifestError(UsageError):
    """A study, scorers or key sheet is wrong; the text lists all that is wrong at once."""


class ConfigError(UsageError):
    """A configuration file or `--set` is wrong; the text names the key."""


class ModelError(UsageError):
    """A model bundle is missing, damaged or does not fit."""


class RunMismatchError(UsageError):
    """The run folder was begun with another config, model or study sheet."""


class RunInUseError(HistoscoreError):
    """Another living process holds the run folder."""

    exit_code = 3


class EnvironmentStopError(HistoscoreError):
    """Disk full, permission denied: the machine, not the input, stopped the run."""

    exit_code = 4


class DeviceError(HistoscoreError):
    """A GPU or its driver failed: whatever this process asks of it next fails too."""

    exit_code = 4


class ReviewError(HistoscoreError):
    """The review does not take this; the text says why, and what to do."""


class StaleDecisionError(ReviewError):
    """The compartment was decided elsewhere since it was looked at (another tab)."""


class MissingReasonError(ReviewError):
    """What is changed must say why."""


class StoredResultError(HistoscoreError):
    """A result on disk is missing, unfinished or changed; it must be made again."""


class SlideError(HistoscoreError):
    """One slide cannot be scored; `str(error)` is the reason that the tables show."""

    exit_code = 2


class NotASlideError(SlideError):
    """The file is empty, or its content is not an image."""


class UnsupportedSlideError(SlideError):
    """The file is an image of a kind that this program does not read."""


class DamagedSlideError(SlideError):
    """The file is cut short, unreadable, or not the file that was registered."""


class UnreachableSlideError(SlideError):
    """The system does not hand the file out; nothing is known of what is in it."""


class PixelSizeError(SlideError):
    """There is no believable pixel size, and no area without one."""


class PredictionError(SlideError):
    """The network's output is not finite."""
