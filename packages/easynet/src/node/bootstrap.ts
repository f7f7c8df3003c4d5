import { backoffMs, type Clock, type Logger, type Random, type Timer, toEasynetError } from "../kernel/index.ts";
import type { Mesh } from "../mesh/index.ts";

const PAUSE_MS_MIN = 200;
const RETRY = { baseMs: 500, capMs: 15_000 };

export interface BootstrapPorts {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Dials the given members in turn, and again whenever this node is alone: a dead one is reported and the next one
 * tried, until it is disposed.
 */
export function keepDialling(addresses: readonly string[], ports: BootstrapPorts): Disposable {
  const { mesh, clock, random, logger } = ports;
  const wanted = [...new Set(addresses)];
  let timer: Timer | undefined;
  let disposed = false;
  const dial = async (address: string): Promise<void> => {
    try {
      await mesh.connect(address);
    } catch (thrown) {
      logger.warn("bootstrap member not reached", { address, code: toEasynetError(thrown).code });
    }
  };
  const round = async (number: number): Promise<void> => {
    if (mesh.peers().length === 0) await Promise.all(wanted.map(dial));
    if (disposed) return;
    const next = mesh.peers().length > 0 ? 0 : number + 1;
    timer = clock.setTimer(PAUSE_MS_MIN + backoffMs(number, RETRY, random), () => void round(next));
  };
  if (wanted.length > 0) void round(0);
  return {
    [Symbol.dispose]() {
      disposed = true;
      timer?.cancel();
    },
  };
}
