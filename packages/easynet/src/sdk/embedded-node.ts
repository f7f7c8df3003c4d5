import { artifactsOfNode } from "./artifact-access.ts";
import { stateOfNode } from "./state-access.ts";
import { type NodeAccess } from "./node-access.ts";
import { foundOf, serveNode } from "../gateway/index.ts";
import type { LoadedConfig } from "../node/index.ts";

/** Runs a node in this process, with its local API open for other processes of this machine. */
export async function embedNode(config: LoadedConfig): Promise<NodeAccess> {
  const served = await serveNode(config);
  const { node } = served;
  const listeners: ((reason: string) => void)[] = [];
  void served.stopped.then(() => {
    for (const listener of listeners) listener("the node was stopped");
  });
  return {
    did: node.did,
    name: node.name,
    embedded: true,
    call: (request, options) => node.call(request, options),
    find: async (query) => node.offers(query).map(foundOf),
    task: (id) => node.task(id),
    artifacts: artifactsOfNode(node),
    state: stateOfNode(node),
    offer: (agent) => node.addAgent(agent),
    onClosed: (listener) => void listeners.push(listener),
    close: () => served.stop(),
  };
}
