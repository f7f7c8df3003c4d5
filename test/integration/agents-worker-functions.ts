/** Functions that the worker pool's tests run in threads. */
import { createHash } from "node:crypto";
import type { WorkerContext } from "../../packages/easynet/src/agents/index.ts";

export function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function burn(durationMs: number): number {
  const until = performance.now() + durationMs;
  let rounds = 0;
  while (performance.now() < until) rounds++;
  return rounds;
}

export function spin(): never {
  for (;;);
}

class OddError extends Error {}

export function fail(): never {
  throw new OddError("not today");
}

export function* count(): Generator<number> {
  yield 1;
}

export function closure(): () => number {
  return () => 1;
}

export function crash(): never {
  process.exit(3);
}

export async function listen(context: WorkerContext): Promise<string> {
  const { signal, taskId } = context;
  if (signal.aborted) return "early";
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
  });
  return taskId;
}

export default function sum(...numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
