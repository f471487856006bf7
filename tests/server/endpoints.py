"""Every endpoint, as a client sees it."""

import http.client
import json
import shutil
import socket
import subprocess
import unittest

import _box
import _server


class Endpoints(_server.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = _box.write_box(
            cls.folder,
            {"fam": {"one": (_box.identity(), 0.8),
                     "two": (_box.identity(), 0.9)},
             "pair": {"pair-1": (_box.sum_and_copy(), 0.7)}},
            devices=["{name: cpu0, kind: cpu, backend: onnxruntime}",
                     "{name: npu0, kind: npu, backend: emulated}"],
            apps=["{name: door, family: fam, slo: {deadline: 2s, "
                  "accuracy: 0.85}}"])
        cls.s = cls.start(cls.box, "--policy", "edf")

    def test_the_clients_name_for_a_request_comes_back(self):
        for name in ("4bf92f35-77b3", "a" * 128):
            for path in ("/v2", "/v2/nothing"):
                answer = self.s.call("GET", path,
                                     headers={"X-Request-ID": name})
                self.assertEqual(answer[1]["X-Request-ID"], name)
        for name in ("a" * 129, "two words", 'a"b', ""):
            answer = self.s.call("GET", "/v2", headers={"X-Request-ID": name})
            self.assertEqual(answer[0], 200)
            self.assertIsNone(answer[1]["X-Request-ID"])

    def test_the_version_that_is_served_is_named(self):
        """The highest; a name with zeros in front is no version."""
        folder = self.folder + "/versions"
        box = _box.write_box(folder, {"fam": {"one": (_box.identity(), 0.8)}})
        for version in ("2", "010"):
            _box.write(f"{folder}/models/one/{version}/model.onnx",
                       _box.identity())
        s = self.start(box)
        self.assertEqual(s.get("/v2/models/one")[2]["versions"], ["2"])
        self.assertEqual(s.get("/v2/models/one/versions/2")[0], 200)
        self.assertError(s.get("/v2/models/one/versions/10"), 404, "'10'")

    def test_health(self):
        for path in ("/v2/health/live", "/v2/health/ready"):
            status, headers, body = self.s.get(path)
            self.assertEqual(status, 200)
            self.assertEqual(body, {"live": True, "ready": True})
            status, headers, body = self.s.call("HEAD", path)
            self.assertEqual((status, body), (200, b""))

    def test_server_metadata(self):
        for path in ("/v2", "/v2/"):
            body = self.s.get(path)[2]
            self.assertEqual(body["name"], "convergo")
            self.assertRegex(body["version"], r"^\d+\.\d+\.\d+")
            self.assertIn("binary_tensor_data", body["extensions"])

    def test_model_metadata(self):
        for name in ("fam", "one", "two"):
            for path in ("", "/versions/1"):
                status, _, body = self.s.get("/v2/models/%s%s" % (name, path))
                self.assertEqual(status, 200)
                self.assertEqual(body["name"], name)
                self.assertEqual(body["versions"], ["1"])
                self.assertEqual(body["inputs"], [{
                    "name": "x", "datatype": "FP32", "shape": [-1, 16]}])
                self.assertEqual(body["outputs"], [{
                    "name": "y", "datatype": "FP32", "shape": [-1, 16]}])

    def test_unknown_model_and_version(self):
        for path in ("", "/ready", "/config", "/stats"):
            self.assertError(self.s.get("/v2/models/none" + path), 404,
                             "none")
            self.assertError(
                self.s.get("/v2/models/fam/versions/7" + path), 404, "'7'")
        self.assertError(self.s.infer("none", []), 404, "none")

    def test_model_ready_and_config(self):
        for name in ("fam", "one"):
            self.assertEqual(self.s.get("/v2/models/%s/ready" % name)[2],
                             {"name": name, "ready": True})
            config = self.s.get("/v2/models/%s/config" % name)[2]
            self.assertEqual(config["name"], name)
            self.assertEqual(config["max_batch_size"], 256)
            self.assertEqual(config["input"], [{
                "name": "x", "data_type": "TYPE_FP32", "dims": [16]}])

    def test_stats_count(self):
        def stats(path):
            return self.s.get(path)[2]["model_stats"]
        before = stats("/v2/models/fam/stats")[0]
        self.s.infer("fam", [_server.fp32("x", [[0] * 16] * 3)])
        after = stats("/v2/models/fam/versions/1/stats")[0]
        self.assertEqual(after["inference_count"],
                         before["inference_count"] + 3)
        self.assertEqual(after["inference_stats"]["success"]["count"],
                         before["inference_stats"]["success"]["count"] + 1)
        self.assertGreater(after["last_inference"], 1.6e12)
        self.assertGreater(after["execution_count"], 0)
        names = [m["name"] for m in stats("/v2/models/stats")]
        self.assertEqual(names, ["fam", "pair", "one", "two", "pair-1"])

    def test_repository(self):
        def states():
            index = self.s.call("POST", "/v2/repository/index")[2]
            return {m["name"]: m["state"] for m in index}
        self.assertEqual(set(states()),
                         {"fam", "pair", "one", "two", "pair-1"})
        self.assertEqual(states()["pair"], "READY")
        path = "/v2/repository/models/pair-1/"
        # When it is answered it has been done, on both devices, every time.
        for n in range(1, 6):
            self.assertEqual(self.s.call("POST", path + "unload")[0], 200)
            self.assertEqual(self.s.stderr().count("event=unloaded"), 2 * n)
            self.assertEqual(self.s.call("POST", path + "load")[0], 200)
        self.assertEqual(self.s.call("POST", path + "unload")[0], 200)
        self.assertEqual(states()["pair-1"], "UNAVAILABLE")
        self.assertEqual(states()["pair"], "UNAVAILABLE")
        self.assertEqual(self.s.get("/v2/health/ready")[0], 503)
        self.assertEqual(self.s.get("/v2/health/live")[0], 200)
        self.assertEqual(self.s.get("/v2/models/pair-1/ready")[0], 503)
        self.assertEqual(self.s.call("POST", path + "load")[0], 200)
        self.assertEqual(states()["pair"], "READY")
        self.assertEqual(self.s.get("/v2/health/ready")[0], 200)
        self.assertError(
            self.s.call("POST", "/v2/repository/models/none/load"), 404)

    def test_apps(self):
        apps = {a["name"]: a for a in self.s.get("/v1/apps")[2]["apps"]}
        self.assertEqual(apps["door"]["slo"]["deadline_us"], 2000000)
        self.assertFalse(apps["door"]["built_in"])
        self.assertTrue(apps["best-effort/pair"]["built_in"])

    def test_devices_say_that_they_are_emulated(self):
        devices = self.s.get("/v1/devices")[2]["devices"]
        self.assertEqual([(d["name"], d["emulated"]) for d in devices],
                         [("cpu0", False), ("npu0", True)])
        self.assertIn("EMULATED", self.s.stderr())
        self.assertIn('emulated="true"', self.s.metrics())

    def test_energy_is_one_number_everywhere(self):
        """Of batches, idle time, switches and loads."""
        box = _box.write_box(
            self.folder + "/energy",
            {"f": {"a": (_box.identity(), 0.8), "b": (_box.identity(), 0.9)}},
            devices=["{name: npu0, kind: npu, backend: emulated, "
                     "switch: {fixed: 20ms}, power: {idle: 1W, busy: 1000W}}"])
        s = _server.Server(box)
        for model in ("a", "b") * 5:
            self.assertEqual(
                s.infer(model, [_server.fp32("x", [[0] * 16])])[0], 200)
        device = s.get("/v1/devices")[2]["devices"][0]
        report = s.get("/v1/report")[2]["devices"][0]
        self.assertGreaterEqual(device["switches"], 9)
        # A switch is 20 ms at 1000 W; a batch is 2 mJ.
        self.assertGreater(device["energy_j"], 9 * 20)
        self.assertAlmostEqual(device["energy_j"], report["energy_j"], delta=1)
        self.assertAlmostEqual(
            s.metric("convergo_device_energy_joules_total", device="npu0"),
            report["energy_j"], delta=1)
        self.assertEqual(s.stop(), 0)

    def test_report(self):
        report = self.s.get("/v1/report")[2]
        self.assertEqual(report["schema"], "convergo.report/1")
        self.assertEqual(report["mode"], "live")
        self.assertEqual(report["parts"]["order"], "edf")

    def test_index_page(self):
        status, headers, body = self.s.get("/")
        self.assertEqual(status, 200)
        self.assertIn(b"/v2/models/fam/infer", body)

    def test_wrong_methods(self):
        for method, path, allow in (
                ("GET", "/v2/models/fam/infer", "POST"),
                ("POST", "/v2", "GET, HEAD"),
                ("DELETE", "/v2/models/fam", "GET, HEAD"),
                ("PUT", "/v2/repository/index", "POST")):
            answer = self.s.call(method, path)
            self.assertError(answer, 405, method)
            self.assertEqual(answer[1]["Allow"], allow)

    def test_unknown_paths(self):
        for path in ("/v2/x", "/v3", "/v2/models/fam/x", "/v1", "/favicon.ico",
                     "/v2/models/", "/v2/models/fam/infer/"):
            self.assertError(self.s.get(path), 404)

    def test_names(self):
        self.assertEqual(self.s.get("/v2/models/f%61m")[2]["name"], "fam")
        for name in ("..", "%2e%2e", "..%2f..%2fetc", "fam%00", ".fam", "%",
                     "a" * 129):
            self.assertError(self.s.get("/v2/models/%s/ready" % name), 400)

    def test_metrics_are_clean(self):
        self.s.infer("fam", [_server.fp32("x", [[0] * 16])])
        text = self.s.metrics()
        for name in ("convergo_requests_total", "convergo_slo_met_total",
                     "convergo_slo_offered_total",
                     "convergo_request_seconds_bucket",
                     "convergo_queue_seconds_count",
                     "convergo_requests_dropped_total",
                     "convergo_device_busy_seconds_total",
                     "convergo_device_energy_joules_total",
                     "convergo_device_switches_total",
                     "convergo_device_slowdown", "convergo_device_up",
                     "convergo_decision_seconds_bucket",
                     "convergo_connections", "process_resident_memory_bytes"):
            self.assertIn(name, text)
        self.assertIn('kind="joint"', text)
        self.assertGreater(
            self.s.metric("convergo_requests_total", app="door",
                          outcome="served"), 0)
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"],
                                  input=text, text=True, capture_output=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (0, "", ""))

    def test_metrics_port_serves_nothing_else(self):
        c = http.client.HTTPConnection("127.0.0.1", self.s.metrics_port)
        c.request("GET", "/v2/models/fam")
        self.assertEqual(c.getresponse().status, 404)
        c.close()
        self.assertEqual(self.s.get("/metrics")[0], 200)

    def test_keep_alive(self):
        c = self.s.connect()
        for _ in range(20):
            self.assertEqual(
                self.s.call("GET", "/v2", connection=c)[0], 200)
            self.assertError(
                self.s.call("POST", "/v2/none", "x" * 1000, connection=c),
                404)
        c.close()


if __name__ == "__main__":
    unittest.main()
