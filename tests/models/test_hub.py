"""Models of the hub, from a small server on the loopback interface, by huggingface_hub as it is."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
from architectures import save
from huggingface_hub import constants

import ihcli
from ihcli.errors import ModelError

NAME, GATED = "somebody/classifier", "somebody/gated"
MAIN, OLDER = "a" * 40, "b" * 40
WEIGHTS = "model.safetensors"


@dataclass
class Hub:
    """What the server holds, how it fails, and what it was asked for."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=lambda: {"main": MAIN, "older": OLDER})
    breaks: int = 0
    """How many transfers of the weights are still to break off in the middle."""
    closed: bool = False
    """Whether it answers every request with 503."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and range of each request."""

    def downloads(self) -> list[tuple[str, str | None]]:
        """Path and range of each file that was sent."""
        return [(path.rpartition("/")[2], part) for method, path, part in self.asked
                if method == "GET" and "/resolve/" in path]  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """The few answers of the hub's API that a snapshot needs."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range")))
        if self.hub.closed:
            self.send(503, b"", body=body)
        elif GATED in path:
            self.refuse(401, "GatedRepo", "Access to this model is restricted.", body=body)
        elif NAME not in path:
            self.refuse(404, "RepoNotFound", "Repository not found", body=body)
        elif path.startswith(f"/api/models/{NAME}"):
            self.describe(path.removeprefix(f"/api/models/{NAME}"), body=body)
        else:
            revision, _, file = path.removeprefix(f"/{NAME}/resolve/").partition("/")
            self.give(revision, file, body=body)

    def describe(self, rest: str, *, body: bool) -> None:
        revision = rest.rpartition("/")[2] or "main"
        commit = self.hub.refs.get(revision, revision)
        files = self.hub.commits.get(commit)
        if files is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}", body=body)
            return
        found: Any = {"id": NAME, "modelId": NAME, "sha": commit, "siblings": [{"rfilename": name} for name in files]}
        if rest.startswith("/tree/"):
            found = [{"type": "file", "path": name, "size": len(content), "oid": etag(content)}
                     for name, content in files.items()]  # fmt: skip
        self.send(200, json.dumps(found).encode(), body=body, kind="application/json")

    def give(self, revision: str, file: str, *, body: bool) -> None:
        commit = self.hub.refs.get(revision, revision)
        content = self.hub.commits.get(commit, {}).get(file)
        if content is None:
            self.refuse(404, "EntryNotFound", "Entry not found", body=body)
            return
        headers = {"ETag": f'"{etag(content)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        wanted, status = self.headers.get("Range"), 200
        if wanted is not None:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        if body and file == WEIGHTS and self.hub.breaks > 0:
            self.hub.breaks -= 1
            self.head(status, len(content), headers)
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.send(status, content, body=body, headers=headers)

    def refuse(self, status: int, code: str, message: str, *, body: bool) -> None:
        self.send(status, b"", body=body, headers={"X-Error-Code": code, "X-Error-Message": message})

    def send(
        self, status: int, content: bytes, *, body: bool, kind: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.head(status, len(content), {**(headers or {}), **({"Content-Type": kind} if kind else {})})
        if body:
            self.wfile.write(content)

    def head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model"))


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A server that is the hub for huggingface_hub, and an empty cache."""
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    settings = json.loads(files["config.json"])
    older = {**settings, "id2label": {key: f"OLD {name}" for key, name in settings["id2label"].items()}}
    older["label2id"] = {name: int(key) for key, name in older["id2label"].items()}
    served = Hub({MAIN: files, OLDER: {**files, "config.json": json.dumps(older).encode()}})
    handler = type("Bound", (Handler,), {"hub": served})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        huggingface_hub.close_session()
        yield served
        huggingface_hub.close_session()
        server.shutdown()
        thread.join()


def load(name: str = NAME, revision: str | None = None) -> Any:
    return ihcli.Explainer({"model": {"name": name, "revision": revision}}).classifier


def test_the_default_branch_is_downloaded_and_its_commit_recorded(hub: Hub, folder: Path) -> None:
    found, local = load(), load(str(folder))
    assert found.info.revision == MAIN
    assert found.info.weights_sha256 == local.info.weights_sha256
    assert (WEIGHTS, None) in hub.downloads()


@pytest.mark.parametrize("revision", ["older", OLDER])
def test_a_branch_and_a_commit_are_those_named(hub: Hub, revision: str) -> None:
    found = load(revision=revision)
    assert found.info.revision == OLDER
    assert all(label.startswith("OLD ") for label in found.labels)
    assert hub.downloads()


def test_a_model_in_the_cache_needs_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    hub.closed = True
    before = len(hub.downloads())
    assert load().info.revision == MAIN  # the hub is down
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.asked)
    assert load().info.revision == MAIN
    assert (len(hub.downloads()), len(hub.asked)) == (before, asked)


def starts(hub: Hub) -> list[int]:
    """Where each transfer of the weights began."""
    parts = [part for name, part in hub.downloads() if name == WEIGHTS]
    return [0 if part is None else int(part.removeprefix("bytes=").rstrip("-")) for part in parts]


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)  # these weights are small
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    hub.breaks = 1
    assert load().info.revision == MAIN
    first, second = starts(hub)
    assert first == 0
    assert 0 < len(hub.commits[MAIN][WEIGHTS]) // 2 - second < 4096


def test_a_transfer_that_keeps_breaking_off_is_one_error_and_the_next_try_succeeds(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    hub.breaks = 1000
    with pytest.raises(ModelError, match=r"the transfer broke off several times .*Try again") as caught:
        load()
    assert "\n" not in str(caught.value)
    hub.breaks = 0
    assert load().info.revision == MAIN


@pytest.mark.parametrize(
    ("name", "revision", "words"),
    [
        ("somebody/nothing", None, "no model of this name"),
        (NAME, "v9", "no revision 'v9'"),
        (NAME, "c" * 40, "no revision 'cccc"),
        (GATED, None, r"restricts access.*hf auth login"),
    ],
)
def test_what_the_hub_refuses_is_one_error(hub: Hub, name: str, revision: str | None, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        load(name, revision)
    message = str(caught.value)
    assert message.startswith(f"{name}: is no folder here, and the hub does not give it")
    assert "\n" not in message
    assert not hub.downloads()


def test_a_hub_that_is_down_is_one_error(hub: Hub) -> None:
    hub.closed = True
    with pytest.raises(ModelError, match=r"cannot be reached \(.*503") as caught:
        load()
    assert "\n" not in str(caught.value)
