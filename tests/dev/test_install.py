"""The making of `.venv` changes no other folder."""

from pathlib import Path

import pytest

from dev import install


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody_elses, link = tmp_path / "theirs", tmp_path / ".venv"
    somebody_elses.mkdir()
    (somebody_elses / "installed").touch()
    link.symlink_to(somebody_elses)
    monkeypatch.setattr(install, "ENVIRONMENT", link)
    nothing_to_install = tmp_path / "requirements.txt"
    nothing_to_install.touch()
    monkeypatch.setattr(install, "LOCK_FILES", [nothing_to_install])
    monkeypatch.setattr(install, "OPTIONAL_LOCK_FILE", nothing_to_install)

    install._install()

    assert not link.is_symlink()
    assert (link / "bin" / "python").exists()
    assert [path.name for path in somebody_elses.iterdir()] == ["installed"]
