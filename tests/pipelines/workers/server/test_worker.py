"""Asking a real server on loopback: every path by which a request may go wrong."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest
from PIL import Image

from pipelines.workers import WorkerSpec, connect
from schemas.ids import image_id
from schemas.messages import Message, Picture
from schemas.requests import Embed, Failed, Generated, Worker
from tests.pipelines.workers.conftest import Album, ask, plain, says, user


@dataclass
class Server:
    """Answers with what `behave(number of the call, body)` returns: a status, headers and a body; None hangs up."""

    behave: Callable[[int, dict[str, Any]], tuple[int, dict[str, str], Any] | None]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    together: int = 0
    most_together: int = 0
    address: str = ""


def said(text: str, finish: str = "stop", **choice: Any) -> tuple[int, dict[str, str], Any]:
    choices = [{"message": {"role": "assistant", "content": text}, "finish_reason": finish, **choice}]
    return 200, {}, {"choices": choices, "usage": {"prompt_tokens": 40, "completion_tokens": 3}}


@contextlib.contextmanager
def serve(behave: Callable[[int, dict[str, Any]], tuple[int, dict[str, str], Any] | None]) -> Iterator[Server]:
    server = Server(behave)
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(server.bodies)
                server.bodies.append(body)
                server.times.append(time.monotonic())
                server.headers.append({key.lower(): value for key, value in self.headers.items()})
                server.together += 1
                server.most_together = max(server.most_together, server.together)
            try:
                answer = server.behave(number, body)
            finally:
                with lock:
                    server.together -= 1
            if answer is None:
                self.close_connection = True
                return
            status, headers, value = answer
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                for key, header in headers.items():
                    self.send_header(key, header)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None: ...

    class Crowded(http.server.ThreadingHTTPServer):
        request_queue_size = 256  # with 5, the usual, clients that come together wait a second to connect again

    http_server = Crowded(("127.0.0.1", 0), Handler)
    http_server.daemon_threads = True
    http_server.block_on_close = False
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.address = f"http://127.0.0.1:{http_server.server_address[1]}/v1"
    try:
        yield server
    finally:
        http_server.shutdown()
        http_server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def worker_at(
    server: Server, album: Album, load_bytes: Callable[[str], bytes] | None = None, **options: str | int | float
) -> Worker:
    options = {"model": "tiny", "attempts": 3, "timeout_s": 20, "cache": "off", "picture_names": "off", **options}
    return connect(WorkerSpec(f"openai:{server.address}", None, tuple(options.items())), album, load_bytes)


def test_what_is_sent_and_what_comes_back(album: Album) -> None:
    picture = plain("red")
    key = album.add(picture)
    with serve(lambda *_: said("red circle 21", stop_reason=None)) as server:
        worker = worker_at(server, album)
        request = ask("g", user(Picture(key), "how many?"), seed=2**63 + 5, temperature=0.7, stop=(";",))
        assert worker.answer([request]) == [Generated("red circle 21", "stop", 40, 3)]
        assert not worker.in_waves
        assert worker.identity.as_json() == {"engine": "openai", "model": "tiny", "revision": None, "weights": None}
    (body,) = server.bodies
    assert {key: body[key] for key in body if key != "messages"} == {
        "model": "tiny",
        "max_tokens": 8,
        "temperature": 0.7,
        "top_p": 1.0,
        "seed": 5,
        "stop": [";"],
    }
    (message,) = body["messages"]
    image, text = message["content"]
    head, _, data = image["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    sent = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image_id(*sent.size, sent.convert("RGB").tobytes()) == key
    assert text == {"type": "text", "text": "how many?"}


def test_original_bytes_travel_where_readers_agree_on_them(album: Album) -> None:
    def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    turned = Image.Exif()
    turned[0x0112] = 6
    picture = plain("red")
    files = {
        "jpeg": encoded(picture, "JPEG"),
        "turned": encoded(picture, "JPEG", exif=turned),
        "palette": encoded(picture.quantize(8), "PNG"),
        "bitmap": encoded(picture, "BMP"),
    }
    album.pictures.update(dict.fromkeys(files, picture))
    with serve(lambda *_: said("2")) as server:
        worker_at(server, album, files.__getitem__).answer([ask("g", user(*(Picture(name) for name in files)))])
    urls = [part["image_url"]["url"] for part in server.bodies[0]["messages"][0]["content"]]
    assert urls[0] == "data:image/jpeg;base64," + base64.b64encode(files["jpeg"]).decode()
    for url in urls[1:]:
        assert url.startswith("data:image/png;base64,")
        sent = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        assert sent.tobytes() == picture.tobytes()


def test_each_request_carries_its_own_pictures_in_their_order(album: Album) -> None:
    red, green, blue = (album.add(plain(color)) for color in ("red", "green", "blue"))
    rows = {"two": (red, green), "none": (), "turned": (green, red), "one": (blue,)}
    requests = [ask(name, user(*map(Picture, keys), name)) for name, keys in rows.items()]
    with serve(lambda *_: said("2")) as server:
        worker_at(server, album, concurrency=2).answer(requests)
    sent = {}
    for body in server.bodies:
        *images, text = body["messages"][0]["content"]
        data = [base64.b64decode(image["image_url"]["url"].partition(",")[2]) for image in images]
        shown = [Image.open(io.BytesIO(each)).convert("RGB") for each in data]
        sent[text["text"]] = tuple(image_id(*picture.size, picture.tobytes()) for picture in shown)
    assert sent == rows


def test_tool_turns_and_open_turns(album: Album) -> None:
    key = album.add(plain("blue"))
    talk = (user("look"), says("<tool_call>{}</tool_call>"), Message("tool", (Picture(key),)), says("it shows"))
    with serve(lambda *_: said(" 2")) as server:
        worker_at(server, album).answer([ask("g", *talk)])
    body = server.bodies[0]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user", "assistant"]
    kinds = [part.get("text", "picture") for part in body["messages"][2]["content"]]
    assert kinds == ["<tool_response>\n", "picture", "\n</tool_response>"]
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False


@pytest.mark.parametrize(
    ("text", "choice", "expected"),
    [
        ("red", {"stop_reason": ";"}, "red;"),
        ("red", {"stop_reason": None}, "red"),
        ("look <tool_call>{}", {}, "look <tool_call>{}</tool_call>"),
        ("<tool_call>{}</tool_call>", {}, "<tool_call>{}</tool_call>"),
        ("<tool_call>{}", {"finish": "length"}, "<tool_call>{}"),
    ],
)
def test_stop_strings_are_put_back(album: Album, text: str, choice: dict[str, Any], expected: str) -> None:
    with serve(lambda *_: said(text, **choice)) as server:
        stop = (";", "</tool_call>") if "stop_reason" in choice else ("</tool_call>",)
        (result,) = worker_at(server, album).answer([ask("g", user("?"), stop=stop)])
    assert isinstance(result, Generated)
    assert result.text == expected


def test_a_server_that_does_not_say_whether_it_cut_gives_no_step(album: Album) -> None:
    with serve(lambda number, _: said("red", "length" if number else "stop")) as server:
        worker = worker_at(server, album)
        first, second = (worker.answer([ask("g", user("?"), stop=(";",))])[0] for _ in range(2))
    assert isinstance(first, Failed)
    assert (first.kind, first.transient) == ("silent_stop", False)
    assert second == Generated("red", "length", 40, 3)


@pytest.mark.parametrize("status", [408, 429, 500, 503, None])
def test_what_may_pass_is_tried_again(album: Album, status: int | None) -> None:
    def behave(number: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any] | None:
        if number == 0:
            return (status, {"retry-after": "0.01"}, {"error": "busy"}) if status else None
        return said("2")

    with serve(behave) as server:
        assert worker_at(server, album).answer([ask("g", user("?"))]) == [Generated("2", "stop", 40, 3)]
    assert len(server.bodies) == 2
    assert server.bodies[0] == server.bodies[1]


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_is_final_and_no_answer(album: Album, status: int) -> None:
    with serve(lambda *_: (status, {}, {"error": "no such model"})) as server:
        (result,) = worker_at(server, album).answer([ask("g", user("?"))])
    assert isinstance(result, Failed)
    assert (result.kind, result.transient, result.attempts) == (f"http_{status}", False, 1)
    assert "no such model" in result.message
    assert len(server.bodies) == 1


def test_attempts_end(album: Album) -> None:
    with serve(lambda *_: (503, {"retry-after": "0"}, {})) as server:
        (result,) = worker_at(server, album).answer([ask("g", user("?"))])
    assert isinstance(result, Failed)
    assert (result.kind, result.transient, result.attempts) == ("http_503", True, 3)
    assert len(server.bodies) == 3


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_waited_for(album: Album, date: bool) -> None:
    def behave(number: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        when = formatdate(time.time() + 2, usegmt=True) if date else "0.8"
        return (429, {"retry-after": when}, {}) if number == 0 else said("2")

    with serve(behave) as server:
        (result,) = worker_at(server, album).answer([ask("g", user("?"))])
    assert isinstance(result, Generated)
    assert server.times[1] - server.times[0] >= 0.75  # a lower bound: waiting longer is no error


def test_a_wait_beyond_the_limit_is_not_begun(album: Album) -> None:
    with serve(lambda *_: (429, {"retry-after": "3600"}, {})) as server:
        (result,) = worker_at(server, album).answer([ask("g", user("?"))])
    assert isinstance(result, Failed)
    assert (result.kind, result.transient, result.attempts) == ("http_429", True, 1)


def test_a_time_limit_means_it(album: Album) -> None:
    released, answered = threading.Event(), threading.Event()

    def behave(number: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        released.wait(30)
        answered.set()
        return said("too late")

    with serve(behave) as server:
        (result,) = worker_at(server, album, timeout_s=0.5).answer([ask("g", user("?"))])
        # The server is still silent: nobody waited for its answer to throw it away afterwards.
        assert not answered.is_set()
        released.set()
    assert isinstance(result, Failed)
    assert (result.kind, result.transient) == ("timeout", True)


def test_nobody_there(album: Album) -> None:
    with serve(lambda *_: None) as server:
        pass
    (result,) = worker_at(server, album, attempts=1).answer([ask("g", user("?"))])
    assert isinstance(result, Failed)
    assert (result.kind, result.transient) == ("connection", True)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>a proxy's page</html>",
        {"choices": []},
        {"error": "overloaded"},
        {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": "I cannot"}, "finish_reason": "content_filter"}]},
    ],
)
def test_an_error_with_status_200_is_no_answer(album: Album, body: Any) -> None:
    with serve(lambda *_: (200, {}, body)) as server:
        (result,) = worker_at(server, album).answer([ask("g", user("?"))])
    assert isinstance(result, Failed)
    assert result.kind == "malformed"


def test_order_is_kept_and_concurrency_is_bounded(album: Album) -> None:
    def behave(number: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        question = body["messages"][0]["content"][0]["text"]
        time.sleep(0.02 * (int(question) % 3))
        return (404, {}, {}) if question == "5" else said(f"answer {question}")

    requests = [ask(f"g{n}", user(str(n))) for n in range(12)]
    requests[3] = Embed("e", "0" * 32)
    requests[7] = ask("missing", user(Picture("0" * 32)))
    with serve(behave) as server:
        results = worker_at(server, album, concurrency=3).answer(requests)
    kinds = [result.kind if isinstance(result, Failed) else result.text for result in results]
    expected = [f"answer {n}" for n in range(12)]
    expected[3], expected[5], expected[7] = "unsupported", "http_404", "bad_picture"
    assert kinds == expected
    assert server.most_together <= 3


def test_the_key_comes_from_the_environment(album: Album, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda *_: said("2")) as server:
        with pytest.raises(ValueError, match="LAB_KEY, which is not set"):
            worker_at(server, album, api_key_env="LAB_KEY")
        monkeypatch.setenv("LAB_KEY", "open sesame")
        worker_at(server, album, api_key_env="LAB_KEY").answer([ask("g", user("?"))])
    assert server.headers[0]["authorization"] == "Bearer open sesame"


def test_one_bound_holds_for_all_threads_that_ask(album: Album) -> None:
    def behave(*_: Any) -> tuple[int, dict[str, str], Any]:
        time.sleep(0.03)
        return said("2")

    with serve(behave) as server:
        worker = worker_at(server, album, concurrency=2)
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda number: worker.answer([ask(str(number), user("?"))] * 2), range(6)))
    assert found == [[Generated("2", "stop", 40, 3)] * 2] * 6
    assert server.most_together <= 2


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("concurrency", 0, "1"), ("attempts", "many", "1"), ("timeout_s", -3, "0.1"), ("attempt_s", 0, "0.1")],
)
def test_an_option_that_cannot_be_is_refused(album: Album, name: str, value: str | int, least: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least {least}, not {value!r}"):
        worker_at(Server(lambda *_: None, address="http://127.0.0.1:1/v1"), album, **{name: value})
