import { backoffMs, EasynetError, isEasynetError, systemRandom } from "../kernel/index.ts";
import { Home, homeFolder, loadConfig, readRunFile } from "../node/index.ts";
import { attachToNode } from "./attached-node.ts";
import { embedNode } from "./embedded-node.ts";
import type { NodeAccess } from "./node-access.ts";

/** What a process may set about its node; everything is optional, and EASYNET_ variables and config.json count too. */
export interface NodeOptions {
  /** Folder of keys and store. @default EASYNET_HOME or ~/.easynet */
  readonly home?: string;
  readonly name?: string;
  readonly listenHost?: string;
  readonly listenPort?: number;
  readonly apiPort?: number;
  readonly bootstrap?: readonly string[];
  readonly mdns?: boolean;
  readonly interfaces?: readonly string[];
  readonly logLevel?: "silent" | "error" | "warn" | "info" | "debug";
}

/** Two processes may start at once: the one that comes second finds the first one's node at the next try. */
const OPEN_ATTEMPTS_MAX = 8;
const RETRY = { baseMs: 50, capMs: 500 };

/**
 * Reaches the network from this process: joins the node that runs in the home folder, or starts one here.
 * @throws {EasynetError} CONFIG_INVALID, MEMBERSHIP_INVALID, PORT_IN_USE, NODE_NOT_RUNNING
 */
export async function openAccess(options: NodeOptions): Promise<NodeAccess> {
  const home = homeFolder({ flags: { ...options } });
  for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
    const run = readRunFile(home);
    try {
      if (run) return await attachToNode(run.apiUrl, new Home(home).token());
      return await embedNode(loadConfig({ flags: { ...options } }));
    } catch (error) {
      const raced = isEasynetError(error, "NODE_ALREADY_RUNNING") || isEasynetError(error, "NODE_NOT_RUNNING");
      if (!raced) throw error;
    }
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 20 + backoffMs(attempt, RETRY, systemRandom));
    });
  }
  throw new EasynetError("NODE_NOT_RUNNING", { home });
}
