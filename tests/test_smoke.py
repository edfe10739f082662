def test_a_task_from_birth_to_death(ada):
    task = ada.adds_task("  Water the plants ")
    assert ada.tasks() == [task]
    assert ada.delete(f"/api/tasks/{task['id']}").status_code == 204
    assert ada.tasks() == []
