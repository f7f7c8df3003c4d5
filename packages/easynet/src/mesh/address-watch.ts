import { networkInterfaces } from "node:os";
import { type Clock, type Logger, repeat, type Timer } from "../kernel/index.ts";
import { AddressWatch, type NetworkChange } from "./address-watch-core.ts";

/** Node tells of no change by itself, so the machine is looked at this often. */
const WATCH_INTERVAL_MS = 2000;

export interface AddressWatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onChange: (change: NetworkChange) => void;
  /** The machine's interfaces. @default os.networkInterfaces */
  readonly machine?: typeof networkInterfaces;
}

/** Calls back when addresses of this machine came or went, or when it slept; until it is cancelled. */
export function watchAddresses(options: AddressWatchOptions): Timer {
  const { clock, logger, machine = networkInterfaces, onChange } = options;
  const look = () => ({ hosts: hostsOf(machine()), wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() });
  const watch = new AddressWatch(look());
  return repeat(clock, WATCH_INTERVAL_MS, () => {
    const change = watch.step(look());
    if (!change) return;
    logger.info("the network of this machine changed", { ...change });
    onChange(change);
  });
}

function hostsOf(machine: ReturnType<typeof networkInterfaces>): string[] {
  return Object.values(machine)
    .flatMap((all) => all ?? [])
    .filter((info) => !info.internal && !info.address.startsWith("fe80:"))
    .map((info) => info.address);
}
