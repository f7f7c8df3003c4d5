import { systemClock } from "../kernel/index.ts";
import { choosePort, type EasynetNode, type LoadedConfig, startNode } from "../node/index.ts";
import { startGateway } from "./start-gateway.ts";

/** A running node with its doors open. */
export interface ServedNode {
  readonly node: EasynetNode;
  /** `http://127.0.0.1:7440` */
  readonly apiUrl: string;
  readonly tokenPath: string;
  stop(): Promise<void>;
  /** Resolves when the node has stopped, whoever asked for it. */
  readonly stopped: Promise<void>;
}

/**
 * Starts a node and its local API, and writes `run.json` so that other processes of this machine find it.
 * @throws {EasynetError} as `startNode`, and PORT_IN_USE for the API's port
 */
export async function serveNode(config: LoadedConfig): Promise<ServedNode> {
  const { node, home, logger, metrics } = await startNode(config);
  const stopped = Promise.withResolvers<void>();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await gateway.close();
      await node.stop();
      stopped.resolve();
    })();
    return stopping;
  };
  const gateway = await openGateway().catch(async (error: unknown) => {
    await node.stop();
    throw error;
  });
  home.saveRunFile({
    pid: process.pid,
    did: node.did,
    name: node.name,
    apiUrl: gateway.url,
    startedAtMs: systemClock.nowMs(),
  });
  return { node, apiUrl: gateway.url, tokenPath: home.tokenPath, stop, stopped: stopped.promise };

  async function openGateway(): ReturnType<typeof startGateway> {
    return startGateway({
      node,
      host: config.value.apiHost,
      port: await choosePort(config, "apiPort", config.value.apiHost),
      token: home.token(),
      logger,
      metrics,
      metricsText: () => metrics.render(),
      onStopRequested: () => void stop(),
    });
  }
}
