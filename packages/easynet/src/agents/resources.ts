import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { Resources } from "../model/index.ts";
import { memoryLimitBytes } from "./load-meter.ts";

/** A driver tool that does not answer within this time counts as absent. */
const GPU_QUERY_MS_MAX = 1000;
const GPU_OUTPUT_BYTES_MAX = 64 * 1024;
const MEBIBYTE = 2 ** 20;

export interface ResourceOptions {
  /** Home folder of the node: its disk is what tasks may fill. */
  readonly homePath: string;
}

/** What this machine offers, measured. What cannot be measured is absent: no driver tool means no GPU is offered. */
export async function measureResources(options: ResourceOptions): Promise<Resources> {
  const [diskSpaceMb, gpuMemoryMb] = await Promise.all([freeDiskMb(options.homePath), gpuMemory()]);
  return {
    cpuCores: availableParallelism(),
    memoryMb: Math.round(memoryLimitBytes() / MEBIBYTE),
    ...(diskSpaceMb !== undefined && { diskSpaceMb }),
    ...(gpuMemoryMb !== undefined && { gpuMemoryMb }),
  };
}

/** Free for this user; undefined when the folder cannot be read, e.g. because it is not there yet. */
async function freeDiskMb(path: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(path);
    return Math.floor((bavail * bsize) / MEBIBYTE);
  } catch {
    return undefined;
  }
}

async function gpuMemory(): Promise<number | undefined> {
  const [nvidia, amd] = await Promise.all([
    run("nvidia-smi", ["--query-gpu=memory.total", "--format=csv,noheader,nounits"]),
    run("rocm-smi", ["--showmeminfo", "vram", "--csv"]),
  ]);
  return parseNvidia(nvidia) ?? parseRocm(amd);
}

/** Memory of the largest NVIDIA card in MiB: one number per line and card. */
export function parseNvidia(output: string): number | undefined {
  return largest(output.split("\n").map((line) => (/^\s*\d+\s*$/.test(line) ? Number(line) : Number.NaN)));
}

/** Memory of the largest AMD card in MiB: lines `card0,<total bytes>,<used bytes>`. */
export function parseRocm(output: string): number | undefined {
  const totals = output.split("\n").map((line) => Number(/^card\d+,\s*(\d+)/.exec(line)?.[1] ?? Number.NaN));
  const bytes = largest(totals);
  return bytes === undefined ? undefined : Math.round(bytes / MEBIBYTE);
}

function largest(values: readonly number[]): number | undefined {
  const usable = values.filter((value) => Number.isFinite(value) && value > 0);
  return usable.length === 0 ? undefined : Math.max(...usable);
}

/** What the command prints; "" when it is absent, fails, or is too slow. */
function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const limits = { timeout: GPU_QUERY_MS_MAX, maxBuffer: GPU_OUTPUT_BYTES_MAX, killSignal: "SIGKILL" } as const;
    execFile(command, args, limits, (error, stdout) => resolve(error ? "" : stdout));
  });
}
