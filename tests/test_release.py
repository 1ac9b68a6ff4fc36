"""`make release-check` (tools/release.py): what must not be released is found."""

import zipfile

import pytest
import release

TRACKED = {"rpclab/__init__.py", "rpclab/py.typed", "rpclab/notebook/widgets/lab.js"}
METADATA = (
    "Metadata-Version: 2.4\nName: rpclab\nVersion: 1.2\nProvides-Extra: cli\n"
    "Description-Content-Type: text/markdown\n\n# rpclab\n"
)


def test_an_archive_with_all_of_the_package_is_fine():
    release.check_contents({*TRACKED, "rpclab-1.2.dist-info/METADATA"}, TRACKED, needed=())


@pytest.mark.parametrize("gone", sorted(TRACKED))
def test_a_file_that_is_missing_is_named(gone):
    with pytest.raises(release.ReleaseError, match=f"lacks {gone}"):
        release.check_contents(TRACKED - {gone}, TRACKED, needed=())


def test_a_file_that_nobody_has_committed_is_named():
    names = {*TRACKED, "rpclab/secret.py"}
    with pytest.raises(release.ReleaseError, match=r"git does not know: rpclab/secret\.py"):
        release.check_contents(names, TRACKED, needed=())


def test_what_an_sdist_needs_beside_the_package_is_named():
    with pytest.raises(release.ReleaseError, match="lacks LICENSE"):
        release.check_contents({*TRACKED, "README.md"}, TRACKED, needed=("LICENSE", "README.md"))


def test_the_files_of_a_wheel_are_listed_and_its_metadata_found(tmp_path):
    wheel = tmp_path / "rpclab-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("rpclab/__init__.py", "")
        file.writestr("rpclab-1.2.dist-info/METADATA", METADATA)
    assert release.names_in(wheel) == {"rpclab/__init__.py", "rpclab-1.2.dist-info/METADATA"}
    assert release.metadata_of(wheel) == METADATA.encode()


def test_metadata_that_says_what_the_project_does_is_fine():
    release.check_metadata(METADATA.encode(), "1.2", {"cli"})


@pytest.mark.parametrize(
    ("wrong", "version", "extras", "said"),
    [
        (METADATA, "1.3", {"cli"}, "its version is 1.2, and pyproject.toml says 1.3"),
        (METADATA, "1.2", {"cli", "http"}, "it lacks the extras http"),
        (METADATA.partition("\n\n")[0] + "\n\n", "1.2", {"cli"}, "no description in Markdown"),
    ],
)
def test_metadata_that_does_not_is_refused(wrong, version, extras, said):
    with pytest.raises(release.ReleaseError, match=said):
        release.check_metadata(wrong.encode(), version, extras)


def test_a_step_that_fails_says_what_it_wrote():
    with pytest.raises(release.ReleaseError, match=r"(?s)failed:.*no such thing"):
        release.run([release.sys.executable, "-c", "raise SystemExit('no such thing')"])
