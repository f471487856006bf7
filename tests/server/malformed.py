"""Requests that are wrong in every way we can think of, by the hundred: each
gets an answer or a closed connection, and after each the server answers a good
one; its memory stays bounded."""

import json
import random
import socket
import struct
import time
import unittest

import _box
import _server
from _server import fp32

GOOD = {"inputs": [fp32("x", [[1] * 16])]}


def post(body, path="/v2/models/fam/infer", extra=b"", length=None):
    if isinstance(body, str):
        body = body.encode()
    return (b"POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" %
            (path.encode(), extra, len(body) if length is None else length) +
            body)


def bad_bodies():
    """JSON that is none, and JSON that is no infer request."""
    good = json.dumps(GOOD)
    yield from ("", " ", "null", "1", '"x"', "[]", "{", "}", "{}", "{]",
                "\x00", "\ufeff" + good, good + good, good + ",", "(" + good,
                good.replace('"', "'"), good.replace(":", "="),
                "[" * 100000, '{"inputs":' + "[" * 100000,
                '{"inputs":' * 1000, '{"a":"' + "x" * 100000,
                '{"id":"\\ud800",' + good[1:], '{"id":7,' + good[1:],
                '{"id":"' + "\x01" + '",' + good[1:])
    for cut in range(1, len(good), 7):
        yield good[:cut]
    for value in ("null", "1", '"x"', "[null]", "[[]]", "[1]", '["x"]',
                  "[{}]", '[{"name":1}]', '[{"name":null}]',
                  '[{"name":"x"}]'):
        yield '{"inputs":%s}' % value
        yield '{"outputs":%s,%s' % (value, good[1:])
        yield '{"parameters":%s,%s' % (value, good[1:])
    yield '{"inputs":{},%s' % good[1:]
    yield '{"outputs":{},%s' % good[1:]
    for key in ("shape", "datatype", "data", "name", "parameters"):
        for value in (None, 1, -1, "x", [None], [[]], [{}], True, 1e308,
                      [1e308], "9" * 400, [-1, 16], [0, 16], [16, 1],
                      [2 ** 62, 16], [2 ** 63, 16], [2 ** 64, 16], [1] * 17,
                      [1] * 1000, [1, 2 ** 60], [[1, 16]]):
            item = dict(GOOD["inputs"][0])
            item[key] = value
            text = json.dumps({"inputs": [item]})
            if text != good:  # "x" is its name
                yield text
        item = dict(GOOD["inputs"][0])
        if key != "parameters":
            del item[key]
            yield json.dumps({"inputs": [item]})
    for data in ("[NaN]", "[Infinity]", "[1e999]", "[01]", "[1.]", "[.5]",
                 "[0x1]", "[1,]", "[,1]", "[1 1]", "[true]", '["1"]',
                 "[null]", "[[1],[1,1]]", "[1" + "0" * 5000 + "]",
                 "[" + "1," * 15 + "1,1]", "[" + "[" * 40 + "1" + "]" * 41,
                 "1", "{}"):
        yield good.replace(json.dumps(GOOD["inputs"][0]["data"]), data)
    for p in ("timeout", "priority", "slo_deadline_us", "slo_min_accuracy",
              "slo_max_energy_mj", "slo_app", "binary_data_output",
              "slo_unknown", "sequence_id"):
        for value in (-1, 1e300, "x" * 200, None, [], {}, "\x00", 2 ** 70,
                      0.5, "no-such-app"):
            if p == "slo_min_accuracy" and value == 0.5:
                continue
            if p == "slo_max_energy_mj" and value == 0.5:
                continue
            yield json.dumps(dict(GOOD, parameters={p: value}))


def bad_binary():
    """Sizes that do not agree: (header value, JSON, blob)."""
    def item(size, shape=(1, 16)):
        return {"name": "x", "shape": list(shape), "datatype": "FP32",
                "parameters": {"binary_data_size": size}}
    blob = _box.floats([1] * 16)
    for size in (0, 1, 63, 65, 128, -1, 2 ** 31, 2 ** 32 + 64, 2 ** 62,
                 2 ** 63, 2 ** 64 + 64, "64", None, 64.5):
        head = json.dumps({"inputs": [item(size)]}).encode()
        yield str(len(head)), head, blob
    head = json.dumps({"inputs": [item(64)]}).encode()
    for value in ("-1", "x", "", " ", "0x10", "1e3", "99999999999999999999",
                  str(len(head) - 1), str(len(head) + 1),
                  str(len(head) + 64), str(len(head) + 65), "1"):
        yield value, head, blob
    for n in (0, 1, 63, 65, 1000):
        yield str(len(head)), head, blob[:1] * n
    both = json.dumps({"inputs": [dict(item(64), data=[1] * 16)]}).encode()
    yield str(len(both)), both, blob
    twice = json.dumps({"inputs": [item(64), item(64)]}).encode()
    yield str(len(twice)), twice, blob + blob
    over = json.dumps({"inputs": [item(64, (2 ** 60, 16))]}).encode()
    yield str(len(over)), over, blob
    yield "0", b"", blob[:-1]
    yield "0", b"", b""
    yield "0", b"", blob + blob


def garbage():
    """What is no HTTP, or hardly."""
    ok = post(json.dumps(GOOD))
    yield from (b"\r\n", b"\x00" * 100, b"GET\r\n\r\n", b"GET /\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n",
                b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 70000 +
                b"\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5000 +
                b"\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\n : x\r\n\r\n",
                post("x", length=-5), post("{}", length=10 ** 12),
                b"POST /v2/models/fam/infer HTTP/1.1\r\nHost: x\r\n"
                b"Content-Length: 99999999999999999999999\r\n\r\n",
                b"POST /v2/models/fam/infer HTTP/1.1\r\nHost: x\r\n"
                b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
                b"POST /v2/models/fam/infer HTTP/1.1\r\nHost: x\r\n"
                b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"POST /v2/models/fam/infer HTTP/1.1\r\nHost: x\r\n"
                b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                b"POST /v2/models/fam/infer HTTP/1.1\r\nHost: x\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
                ok + b"\x00\xff garbage after a good request\r\n\r\n",
                ok + ok + b"GET", ok[:-20], ok[:60], ok[:10])
    rng = random.Random(1)
    for _ in range(60):
        data = bytearray(ok)
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(data)


class Malformed(_server.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s = cls.start(
            _box.write_box(cls.folder,
                           {"fam": {"one": (_box.identity(), 0.8)}}),
            "--policy", "edf", "--max-body", "4MiB",
            "--header-timeout-secs", "2", "--body-timeout-secs", "6",
            "--idle-timeout-secs", "3", "--max-in-flight", "32MiB")

    def still_answers(self):
        self.assertEqual(self.s.infer("fam", GOOD["inputs"])[0], 200)

    def test_bodies(self):
        c = self.s.connect()
        self.addCleanup(c.close)
        n = 0
        for body in bad_bodies():
            n += 1
            status, _, answer = self.s.call(
                "POST", "/v2/models/fam/infer",
                body.encode("utf-8", "surrogatepass"), connection=c)
            self.assertIn(status, (400, 504), body[:200])
            self.assertIn("error", answer)
        self.assertGreater(n, 250)
        self.still_answers()

    def test_binary(self):
        c = self.s.connect()
        self.addCleanup(c.close)
        for value, head, blob in bad_binary():
            status, _, answer = self.s.call(
                "POST", "/v2/models/fam/infer", head + blob,
                {"Inference-Header-Content-Length": value}, connection=c)
            self.assertIn(status, (200, 400), (value, head))
            if status == 200:
                self.assertEqual((value, len(blob)), ("0", 64))
        self.still_answers()

    def test_garbage(self):
        for data in garbage():
            s = self.s.raw(timeout=10)
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                answer = b""
                while True:
                    more = s.recv(65536)
                    if not more:
                        break
                    answer += more
                self.assertTrue(
                    answer == b"" or answer.startswith(b"HTTP/1."), answer)
            except OSError:
                pass  # closed at once: that will do
            s.close()
        self.still_answers()

    def test_truncated_bodies(self):
        data = post(json.dumps(GOOD))
        for cut in range(1, len(data), 11):
            s = self.s.raw()
            s.sendall(data[:cut])
            s.close()
        self.still_answers()
        until = time.monotonic() + 5
        while (self.s.metric("convergo_requests_bytes") != 0 and
               time.monotonic() < until):
            time.sleep(0.05)
        self.assertEqual(self.s.metric("convergo_requests_bytes"), 0)

    def test_too_large(self):
        answer = self.s.call("POST", "/v2/models/fam/infer",
                             b"x" * (4 << 20) + b"x")
        self.assertError(answer, 413, str(4 << 20))
        # Without a length: noticed on the way, answered at the end.
        c = self.s.connect()
        c.request("POST", "/v2/models/fam/infer",
                  iter([b"x" * (1 << 20)] * 5), encode_chunked=True,
                  headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(c.getresponse().status, 413)
        c.close()
        # ... but not for ever.
        s = self.s.raw()
        s.sendall(b"POST /v2/models/fam/infer HTTP/1.1\r\nHost: x\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        with self.assertRaises(OSError):
            for _ in range(1000):
                s.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
        s.close()
        self.still_answers()

    def test_header_limit(self):
        for n, status in ((8000, 404), (20000, 431)):
            s = self.s.raw()
            s.sendall(b"GET /v2/none HTTP/1.1\r\nHost: x\r\nA: " + b"b" * n +
                      b"\r\n\r\n")
            self.assertIn(b" %d " % status, s.recv(4096).split(b"\r\n")[0])
            s.close()

    def test_many_fields(self):
        """However many there are: an answer, never just a closed door."""
        seen = set()
        for size in (8000, 12000, 16150):
            for n in range(40, 260, 1 if size > 16000 else 3):
                each = size // n - 8
                head = b"".join(b"X%03d: %s\r\n" % (k, b"v" * each)
                                for k in range(n))
                s = self.s.raw()
                s.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n" +
                          head + b"\r\n")
                line = s.recv(4096).split(b"\r\n")[0]
                s.close()
                self.assertRegex(line, b"^HTTP/1.1 (200|431) ",
                                 "%d fields in %d bytes" % (n, len(head)))
                seen.add(line[9:12])
        self.assertEqual(seen, {b"200", b"431"})
        self.still_answers()

    def refusal(self, request, first=b""):
        """(status, error) of what must be one whole reply, all of it JSON."""
        s = self.s.raw(timeout=10)
        if first:
            s.sendall(first)
            time.sleep(0.1)
        s.sendall(request)
        answer = b""
        while True:
            more = s.recv(65536)
            if not more:
                break
            answer += more
        s.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1)
                      for line in head.split(b"\r\n")[1:])
        self.assertEqual(fields[b"content-type"], b"application/json", answer)
        self.assertEqual(fields[b"connection"], b"close")
        self.assertEqual(int(fields[b"content-length"]), len(body), answer)
        answer = json.loads(body)
        self.assertEqual(list(answer), ["error"])
        return int(head.split(b" ")[1]), answer["error"]

    def test_what_the_http_library_refuses_is_json(self):
        infer = b"POST /v2/models/fam/infer HTTP/1.1\r\n"
        chunked = infer + b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for request, status, words in (
                (b"GET /v2 HTTP/1.1\r\n\r\n", 400, "Host"),
                (b"GET /v2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400,
                 "2 fields 'Host'"),
                (infer + b"Host: x\r\nContent-Length: x\r\n\r\n", 400,
                 "Content-Length"),
                (infer + b"Host: x\r\nContent-Length: -1\r\n\r\n", 400,
                 "Content-Length"),
                (infer + b"Host: x\r\nContent-Length: " + b"9" * 30 +
                 b"\r\n\r\n", 413, "Content-Length"),
                (infer + b"Host: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501,
                 "gzip"),
                (infer + b"Host: x\r\nno colon\r\n\r\n", 400, "syntactically"),
                (b"GET /v2 HTTP/9.9\r\nHost: x\r\n\r\n", 505, "version"),
                (b"GET /v2\r\n\r\n", 400, "syntactically"),
                (infer + b"Host: x\r\nA: " + b"a" * 100000 + b"\r\n\r\n",
                 431, "limit of 16384 bytes"),
                (b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", 414,
                 "limit of 16384 bytes"),
                (chunked + b"zz\r\nhello\r\n", 400, "chunk"),
                (chunked + b"5\r\nhello\r\nzz\r\n", 400, "chunk"),
                (chunked + b"f" * 22 + b"\r\nhello\r\n", 413, "chunk")):
            got = self.refusal(request)
            self.assertEqual(got[0], status, (request[:80], got))
            self.assertIn(words, got[1], request[:80])
        self.still_answers()

    def test_a_refusal_reaches_the_one_who_asked(self):
        """Idle connections, and one whose header is only half there, are not
        taken for it."""
        kept = [self.s.connect() for _ in range(3)]
        for c in kept:
            self.s.call("GET", "/v2", connection=c)
        bad = b"GET /v2 HTTP/1.1\r\n\r\n"
        slow = self.s.raw()
        slow.sendall(b"GET /v2 HTTP/1.1\r\nHo")
        time.sleep(0.1)
        self.assertIn("Host", self.refusal(bad)[1])
        self.assertIn("Host", self.refusal(bad[4:], first=bad[:4])[1])
        # Not even when it is an old one whose first line is none.
        old = self.s.raw(timeout=10)
        old.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        old.recv(4096)
        time.sleep(0.1)
        old.sendall(b"GET /v2 FOO\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            more = old.recv(4096)
            self.assertNotEqual(more, b"", answer)
            answer += more
        self.assertIn(b"application/json", answer)
        self.assertIn(b"syntactically", answer)
        old.close()
        slow.sendall(b"st: x\r\n\r\n")
        self.assertTrue(slow.recv(4096).startswith(b"HTTP/1.1 200"))
        slow.close()
        for c in kept:
            self.assertEqual(self.s.call("GET", "/v2", connection=c)[0], 200)
            c.close()

    def test_slow_clients_are_closed(self):
        data = post(json.dumps(GOOD))
        slow = {"a header": data[:30], "a body": data[:-10], "nothing": b""}
        sockets = {}
        for what, start in slow.items():
            sockets[what] = self.s.raw()
            sockets[what].sendall(start)
        began = time.monotonic()
        closed = set()
        while len(closed) < len(slow) and time.monotonic() - began < 20:
            for what, s in sockets.items():
                if what in closed:
                    continue
                try:  # a byte now and then, to look alive
                    if what != "nothing":
                        s.send(b"a" if what == "a header" else b" ")
                    s.settimeout(0.2)
                    if s.recv(4096) == b"":
                        closed.add(what)
                except socket.timeout:
                    pass
                except OSError:
                    closed.add(what)
        for s in sockets.values():
            s.close()
        self.assertEqual(closed, set(slow))
        self.still_answers()

    def test_pipelined_requests(self):
        s = self.s.raw()
        s.sendall(post(json.dumps(GOOD)) * 20)
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 20:
            more = s.recv(65536)
            self.assertNotEqual(more, b"")
            answer += more
        s.close()

    def test_many_declare_much(self):
        """Lengths alone take no memory."""
        sockets = []
        for _ in range(40):
            s = self.s.raw()
            s.sendall(b"POST /v2/models/fam/infer HTTP/1.1\r\nHost: x\r\n"
                      b"Content-Length: 4000000\r\n\r\n{")
            sockets.append(s)
        self.still_answers()
        if not _server.sanitized():
            self.assertLess(self.s.rss_mib(), 400)
        for s in sockets:
            s.close()

    def test_too_much_in_flight(self):
        sockets = []
        for _ in range(12):
            s = self.s.raw()
            s.sendall(b"POST /v2/models/fam/infer HTTP/1.1\r\nHost: x\r\n"
                      b"Content-Length: 4000000\r\n\r\n" + b" " * 3999999)
            sockets.append(s)
            until = time.monotonic() + 1
            while (self.s.metric("convergo_requests_bytes") <
                   min(len(sockets), 8) * 3999999 and
                   time.monotonic() < until):
                pass
        answers = []
        for s in sockets:
            s.sendall(b" ")
            answers.append(s.recv(4096))
            s.close()
        refused = [a for a in answers if b" 503 " in a]
        self.assertEqual(len(refused), 4)
        self.assertIn(b"Retry-After: ", refused[0])
        self.still_answers()

    @unittest.skipIf(_server.sanitized(), "memory is not given back at once")
    def test_memory_is_bounded(self):
        def round_of_trouble():
            c = self.s.connect()
            for body in bad_bodies():
                self.s.call("POST", "/v2/models/fam/infer",
                            body.encode("utf-8", "surrogatepass"),
                            connection=c)
            c.close()
            for _ in range(3):
                self.s.call("POST", "/v2/models/fam/infer", b"[" * 4000000)
        for _ in range(2):
            round_of_trouble()
        before = self.s.rss_mib()
        for _ in range(3):
            round_of_trouble()
        self.assertLess(self.s.rss_mib() - before, 16)


if __name__ == "__main__":
    unittest.main()
