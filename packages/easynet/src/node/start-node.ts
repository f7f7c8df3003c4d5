import { type AgentHost, createAgentHost, type ExecuteRequest, measureResources } from "../agents/index.ts";
import { type Did, type KeyPair, parseDid, verifyMembership } from "../identity/index.ts";
import { type Clock, type Logger, type Random, systemClock, systemRandom } from "../kernel/index.ts";
import {
  createArtifacts,
  createTaskCaller,
  createTaskServer,
  type Exchanges,
  type TaskCaller,
  type MessageEvent,
  type TaskServer,
} from "../messaging/index.ts";
import {
  createFabric,
  createMdns,
  createMesh,
  createPunch,
  createRelay,
  type FabricMesh,
  type Guests,
  type Mdns,
  type Mesh,
  networkTag,
} from "../mesh/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { createRouter } from "../routing/index.ts";
import { openStore, type Store } from "../storage/index.ts";
import { type MetricsRegistry, createLogger, createMetrics } from "../telemetry/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";
import { createKnowing } from "./create-knowing.ts";
import { bridgeOf } from "./bridge-of.ts";
import { createTalking } from "./create-talking.ts";
import { choosePort } from "./choose-port.ts";
import type { LoadedConfig } from "./config.ts";
import { Entrance } from "./entrance.ts";
import { Home } from "./home.ts";
import { openNetwork } from "./network.ts";
import { keepReachable } from "./reaching.ts";
import { nodeNameFor } from "./node-name.ts";
import { RunningNode } from "./running-node.ts";
import { serveExchanges, taskRunner } from "./serve-exchanges.ts";

const META_SPACE = "meta";
const EPOCH_KEY = "epoch";
const MIB = 1024 * 1024;

/** A node that runs, and what its doors need beside it. */
export interface StartedNode {
  readonly node: RunningNode;
  readonly home: Home;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
}

/**
 * Starts a node: keys, store, links, directory, in that order; what fails undoes what had started.
 * @throws {EasynetError} NODE_ALREADY_RUNNING, PORT_IN_USE, STORAGE_FAILED, STORAGE_TOO_NEW, MEMBERSHIP_INVALID,
 * DEPENDENCY_MISSING (of a bridge in its settings)
 */
export async function startNode(loaded: LoadedConfig): Promise<StartedNode> {
  const config = loaded.value;
  await using cleanup = new AsyncDisposableStack();
  const foundation = await openFoundation(loaded, cleanup);
  const { shared, home, nodeKey, name, store, access, network, epoch, entrance, mesh, guests } = foundation;
  const { logger, metrics } = shared;
  const punch = cleanup.use(createPunch({ ...shared, mesh, keyPair: nodeKey }));
  const ground = { ...shared, mesh, keyPair: nodeKey, epoch, store };
  const quota = { storeBytesMax: config.artifactQuota };
  const ipfs = guests && { guests, peers: config.ipfsPeers };
  const artifacts = await createArtifacts({ ...ground, folder: home.artifactsPath, limits: quota, ipfs });
  const knowing = createKnowing({ ...ground, founds: entrance.holdsRoot });
  const { directory } = knowing;
  const holding = { entrance, holdBytesMax: config.holdMail * MIB };
  const observe = (event: MessageEvent): void => node.observe(event);
  const talking = createTalking({ ...ground, ...knowing, ...holding, artifacts, observe });
  const { exchanges, delivery, messages } = talking;
  const bridge = bridgeOf(config, { ...shared, store, network: network.did, messages });
  if (bridge) cleanup.defer(() => bridge.close());
  const host = createAgentHost(shared);
  await mesh.start();
  cleanup.defer(() => mesh.stop());
  cleanup.defer(() => delivery.close());
  const mdns = await startMdns(loaded, { ...shared, mesh, name, network: network.did });
  if (mdns) cleanup.defer(() => mdns.stop());
  const execute = (request: ExecuteRequest): AsyncIterable<AgentEvent> => node.execute(request);
  const { taskServer, tasks } = openTasks({ ...ground, self: nodeKey.did, host, execute, exchanges });
  const router = createRouter({
    ...shared,
    self: nodeKey.did,
    epoch,
    directory,
    exchanges,
    tasks,
    links: mesh,
    executeLocally: execute,
    localLoad: () => host.load(),
  });
  const bootstrap = [...config.bootstrap, ...access.membership.addresses];
  const publish = (): Promise<void> => node.publish();
  const upkeep = keepReachable({ ...shared, mesh, mdns, directory, exchanges, delivery, punch, bootstrap, publish });
  cleanup.use(upkeep);
  const parts = { ...talking, artifacts, host, router, tasks, taskServer, bridge };
  const node = new RunningNode({ ...shared, ...foundation, ...knowing, ...parts, mdns, upkeep });
  await directory.start();
  knowing.state.start();
  knowing.documents.start();
  await node.publish();
  await messages.start();
  await knowing.consensus.start();
  await bridge?.start();
  cleanup.move();
  logger.info("node started", { did: nodeKey.did, name, network: network.did, addresses: mesh.addresses() });
  return { node, home, logger, metrics };
}

/** What all else stands on: the folder with its lock, the store, the membership and the mesh, which does not run yet. */
async function openFoundation(loaded: LoadedConfig, cleanup: AsyncDisposableStack) {
  const config = loaded.value;
  const home = new Home(config.home);
  const lock = cleanup.use(home.lock());
  const shared = createPorts(loaded, home);
  const { clock, logger, metrics } = shared;
  const nodeKey = home.nodeKey();
  const name = config.name ?? nodeNameFor(nodeKey.did);
  const [store, access, resources] = await Promise.all([
    openStore({ path: home.storePath, logger, metrics }),
    openNetwork(home, nodeKey, { clock, networkName: config.networkName }),
    measureResources({ homePath: home.path }),
  ]);
  cleanup.defer(() => store.close());
  const epoch = await nextEpoch(store, shared.clock);
  const network = { did: parseDid(access.membership.network), name: access.membership.networkName };
  const entrance = cleanup.use(new Entrance({ ...shared, home, nodeKey, access, network, store }));
  const { mesh, guests } = await openMesh(loaded, {
    ...shared,
    nodeKey,
    name,
    network: network.did,
    entrance,
  });
  entrance.open(mesh);
  return { shared, home, lock, nodeKey, name, store, access, resources, epoch, network, entrance, mesh, guests };
}

interface TaskParts extends SharedPorts {
  readonly self: Did;
  readonly epoch: number;
  readonly store: Store;
  readonly host: AgentHost;
  readonly execute: (request: ExecuteRequest) => AsyncIterable<AgentEvent>;
  readonly exchanges: Exchanges;
  readonly mesh: Mesh;
}

/** Both ends of stored tasks; from here on this node answers what others ask of its agents. */
function openTasks(parts: TaskParts): { readonly taskServer: TaskServer; readonly tasks: TaskCaller } {
  const taskServer = createTaskServer({ ...parts, runner: taskRunner(parts) });
  taskServer.start();
  serveExchanges({ ...parts, tasks: taskServer });
  return { taskServer, tasks: createTaskCaller({ ...parts, server: taskServer, links: parts.mesh }) };
}

interface SharedPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
}

function createPorts({ value }: LoadedConfig, home: Home): SharedPorts {
  const logger = createLogger({ level: value.logLevel, destination: home.logPath });
  return { clock: systemClock, random: systemRandom, logger, metrics: createMetrics() };
}

interface MeshParts extends SharedPorts {
  readonly nodeKey: KeyPair;
  readonly name: string;
  readonly network: Did;
  readonly entrance: Entrance;
}

interface OpenedMesh {
  readonly mesh: FabricMesh;
  /** Undefined unless the settings let other programs in. */
  readonly guests: Guests | undefined;
}

/** Direct links, and those that other members carry. */
async function openMesh(loaded: LoadedConfig, parts: MeshParts): Promise<OpenedMesh> {
  const { nodeKey, network, clock, entrance } = parts;
  const { listenHost, alsoListen, announce, relay: carries, ipfs: guests } = loaded.value;
  const port = await choosePort(loaded, "listenPort", listenHost);
  const listenAddresses = [`${listenHost}:${port}`, ...alsoListen];
  const fabric = await createFabric({ ...parts, keyPair: nodeKey, listenAddresses, announce, guests });
  const relay = createRelay({ ...parts, fabric, keyPair: nodeKey, carries });
  const mesh = createMesh({
    ...parts,
    fabric: relay.fabric,
    detours: (did, way) => relay.circuitsTo(did, way),
    membership: () => entrance.membership,
    answerStranger: (stranger) => entrance.answer(stranger),
    verifyMember: (bytes, member) => verifyMembership(bytes, { network, member, nowMs: clock.nowMs() }),
  });
  relay.use(mesh);
  return { mesh, guests: fabric.guests };
}

interface MdnsParts extends SharedPorts {
  readonly mesh: Mesh;
  readonly name: string;
  readonly network: Did;
}

/** Looks for members nearby. What is heard is a hint to dial; the link decides whether it is a member. */
async function startMdns(loaded: LoadedConfig, parts: MdnsParts): Promise<Mdns | undefined> {
  const { mdns: wanted, interfaces } = loaded.value;
  const { mesh, name, network, clock, random, logger } = parts;
  const port = portOf(mesh.addresses());
  if (!wanted || port === undefined) return undefined;
  const mdns = createMdns({
    ...(interfaces.length > 0 && { interfaces }),
    networkTag: networkTag(network),
    did: mesh.self,
    name,
    port,
    clock,
    random,
    logger,
    onHint: ({ did, addresses }) => mesh.learn(did, addresses),
  });
  await mdns.start();
  return mdns;
}

/** The TCP port of a multiaddr. */
function portOf(addresses: readonly string[]): number | undefined {
  const port = /\/tcp\/(\d+)/.exec(addresses[0] ?? "")?.[1];
  return port === undefined ? undefined : Number(port);
}

/**
 * A number that rises with every start of this node: what an earlier life of it signed is older. At least the seconds of
 * the wall clock, so that it also rises when the store was put back to an older state, or lost and the key was not.
 */
async function nextEpoch(store: Store, clock: Clock): Promise<number> {
  const stored = store.get(META_SPACE, EPOCH_KEY);
  const last = stored ? decodeValue(stored) : 0;
  const epoch = Math.max((typeof last === "number" ? last : 0) + 1, Math.floor(clock.nowMs() / 1000));
  await store.commit([{ kind: "put", space: META_SPACE, key: EPOCH_KEY, value: encodeValue(epoch) }]);
  return epoch;
}
