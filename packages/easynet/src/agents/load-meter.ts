import { cpus, totalmem } from "node:os";
import type { Clock } from "../kernel/index.ts";
import type { NodeLoad } from "../model/index.ts";

/** Reading the system costs tens of microseconds and load is asked for on every call, so a reading is kept this long. */
const READING_MS = 500;

/** How busy this machine is. */
export type MachineLoad = Pick<NodeLoad, "cpuRatio" | "memoryRatio">;

export interface LoadMeter {
  /** Shares 0..1; of the processor since the reading before, at the first reading since the machine started. */
  read(): MachineLoad;
}

export function createLoadMeter(options: { readonly clock: Clock }): LoadMeter {
  const { clock } = options;
  let before: CpuTimes = { busyMs: 0, totalMs: 0 };
  let load: MachineLoad | undefined;
  let readAtMs = 0;
  return {
    read() {
      const nowMs = clock.monotonicMs();
      if (load && nowMs - readAtMs < READING_MS) return load;
      const times = cpuTimes();
      const totalMs = times.totalMs - before.totalMs;
      const cpuRatio = totalMs > 0 ? ratio((times.busyMs - before.busyMs) / totalMs) : (load?.cpuRatio ?? 0);
      load = { cpuRatio, memoryRatio: memoryRatio() };
      before = times;
      readAtMs = nowMs;
      return load;
    },
  };
}

interface CpuTimes {
  readonly busyMs: number;
  readonly totalMs: number;
}

function cpuTimes(): CpuTimes {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq;
    busyMs += busy;
    totalMs += busy + times.idle;
  }
  return { busyMs, totalMs };
}

/** Memory this process may use, in bytes: the machine's, or the container's if that is less. */
export function memoryLimitBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

function memoryRatio(): number {
  return ratio(1 - process.availableMemory() / memoryLimitBytes());
}

function ratio(value: number): number {
  return Math.min(1, Math.max(0, value));
}
