export type { Agent, Task, TaskContext } from "./types.ts";
