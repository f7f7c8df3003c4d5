import type { LoadedConfig } from "./config.ts";
import type { StartedNode } from "./start-node.ts";

export type { StartedNode };

/** Loads the mesh and everything above it only now: whoever just looks at a node must not pay for one. */
export async function startNode(config: LoadedConfig): Promise<StartedNode> {
  const module = await import("./start-node.ts");
  return module.startNode(config);
}
