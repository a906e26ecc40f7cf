"""The limit of unfinished tasks."""

from api import MINIMAL, expect_error


def test_unfinished_tasks(start):
    service = start("limited", options={"export.threads": 0, "limits.unfinished_tasks": 3})
    api = service.api()
    tasks = [api.create_task(MINIMAL) for _ in range(3)]
    for _ in range(2):
        response = api.create(MINIMAL)
        expect_error(response, 429, "APIGW.0308", "3")
        assert int(response.headers["retry-after"]) >= 1, f"{response}"
    assert service.site.tasks() == 3
    assert api.status(tasks[0]).status == 200, "status works while creates are refused"
    service.api("demo2").create_task(MINIMAL)
    service.site.sql(
        "UPDATE waybill.export_task SET state = 'failure', error_code = 'HSS.0041', finish_time = now()"
        " WHERE task_id = %s", tasks[1])
    api.create_task(MINIMAL)
    expect_error(api.create(MINIMAL), 429, "APIGW.0308")
