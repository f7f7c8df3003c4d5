/** Sentences of `easynet task` and `easynet tasks`. */
export const TASK_TEXTS_EN = {
  "task.about": "state and outcome of a stored task that this node gave away",
  "task.id": "id of the task, see easynet tasks",
  "task.away": "{node} is away; this is what was known last",
  "task.notYet": "{node} has not finished it",
  "tasks.about": "stored tasks that this node gave away, and those that it has",
  "tasks.none": "no stored tasks",
  "tasks.to": "to {name}",
  "tasks.from": "from {name}",
  "taskState.submitted": "submitted",
  "taskState.working": "working",
  "taskState.completed": "completed",
  "taskState.canceled": "canceled",
  "taskState.failed": "failed",
  "column.with": "WITH",
} as const;

export const TASK_TEXTS_ZH: Readonly<Record<keyof typeof TASK_TEXTS_EN, string>> = {
  "task.about": "本节点交出的已存储任务的状态和结果",
  "task.id": "任务编号，见 easynet tasks",
  "task.away": "{node} 目前失联；以下是最后所知",
  "task.notYet": "{node} 尚未完成",
  "tasks.about": "本节点交出的和持有的已存储任务",
  "tasks.none": "没有已存储的任务",
  "tasks.to": "交给 {name}",
  "tasks.from": "来自 {name}",
  "taskState.submitted": "已提交",
  "taskState.working": "执行中",
  "taskState.completed": "已完成",
  "taskState.canceled": "已取消",
  "taskState.failed": "失败",
  "column.with": "对方",
};
