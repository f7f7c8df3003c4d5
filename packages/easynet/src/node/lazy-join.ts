import type { Clock } from "../kernel/index.ts";
import type { LoadedConfig } from "./config.ts";
import type { AskApprovalOptions, JoinOptions } from "./join-network.ts";
import type { MembershipFile } from "./types.ts";

/** Loads the mesh only now, as `startNode` does. @throws what join-network.ts says */
export async function joinNetwork(config: LoadedConfig, options: JoinOptions): Promise<MembershipFile> {
  const module = await import("./join-network.ts");
  return module.joinNetwork(config, options);
}

/** Loads the mesh only now. @throws what join-network.ts says */
export async function askForApproval(config: LoadedConfig, options: AskApprovalOptions): Promise<MembershipFile> {
  const module = await import("./join-network.ts");
  return module.askForApproval(config, options);
}

/** Loads the mesh only now. @throws what nearby.ts says */
export async function findNearby(config: LoadedConfig, clock: Clock): Promise<string> {
  const module = await import("./nearby.ts");
  return module.findNearby(config, clock);
}
