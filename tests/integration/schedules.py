"""Schedules as a caller uses them, and how tests make them due without waiting."""

import time

from deadline import wait_until
from faults import soon

HOUR = 3600 * 1000
REQUEST = {"export_headers": [["container_id", "ID"]]}
# Each second. The rule needs no wait, but it is due again at once.
EACH_SECOND = "FREQ=HOURLY;BYMINUTE={};BYSECOND={}".format(*[",".join(map(str, range(60)))] * 2)


def now_ms():
    return int(time.time() * 1000)


class Schedules:
    """The schedules of a caller."""

    def __init__(self, api):
        self.api = api
        self.site = api.site

    def request(self, method, path="", body=None, headers=None):
        return self.api.schedules(method, path, body, headers)

    def add(self, name="report", **fields):
        """Creates a schedule that must be accepted. By default it is hourly, and due again in half an hour."""
        fields = {"name": name, "rule": "FREQ=HOURLY", "start_time": now_ms() // 1000 * 1000 - 200 * HOUR - HOUR // 2,
                  "request": REQUEST, **fields}
        response = self.request("POST", "", fields)
        assert response.status == 200, f"create {fields}: {response}"
        return response.json()

    def show(self, schedule_id):
        response = self.request("GET", f"/{schedule_id}")
        assert response.status == 200, f"{response}"
        return response.json()

    def runs(self, schedule_id):
        response = self.request("GET", f"/{schedule_id}/runs?limit=200")
        assert response.status == 200, f"{response}"
        return response.json()["data_list"]

    def run_now(self, schedule_id):
        response = self.request("POST", f"/{schedule_id}/run")
        assert response.status == 200, f"{response}"
        return response.json()["task_id"]

    def latest(self, schedule_id):
        return self.request("GET", f"/{schedule_id}/latest")

    def make_due(self, schedule, count=1):
        """Makes the last `count` occurrences of an hourly schedule due, as after a downtime. Returns their times."""
        start = schedule["start_time"]
        newest = start + (now_ms() - start) // HOUR * HOUR
        times = [newest - (count - 1 - number) * HOUR for number in range(count)]
        self.site.sql("UPDATE waybill.export_schedule"
                      " SET pending_from = to_timestamp(%s), next_run_time = to_timestamp(%s) WHERE schedule_id = %s",
                      times[0] / 1000, times[0] / 1000, schedule["schedule_id"])
        self.wake()
        return times

    def start_in(self, seconds):
        """Moves the first occurrence of all schedules to about this number of seconds from now, so that the duration of
        their creation does not matter. Returns its time."""
        start = now_ms() // 1000 * 1000 + seconds * 1000
        self.site.sql("UPDATE waybill.export_schedule SET (start_time, pending_from, next_run_time) = ROW (t, t, t)"
                      " FROM to_timestamp(%s) AS t", start / 1000)
        self.wake()
        return start

    def wake(self):
        self.site.sql("SELECT pg_notify('waybill_schedule', '')")

    def wait_for_runs(self, schedule_id, states, seconds=30):
        """Waits until the runs, newest first, have these states. Returns them."""
        soon(lambda: [run["state"] for run in self.runs(schedule_id)] == states,
             f"the runs are {states}, not {self.runs(schedule_id)}", seconds)
        return self.runs(schedule_id)

    def wait_for_end(self, task_id):
        """Waits until the scheduler has processed the end of a task of a schedule."""
        wait_until(lambda: self.site.sql("SELECT state <> 'running' AND is_settled FROM waybill.schedule_run"
                                         " WHERE task_id = %s", task_id) == [(True,)], "the run is settled")
