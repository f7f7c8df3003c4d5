import type { Did } from "../identity/index.ts";
import { type Clock, noMetrics, silentLogger, systemRandom } from "../kernel/index.ts";
import {
  createDocuments,
  createSharedState,
  type DirectoryNode,
  type RunningDocuments,
  type RunningState,
} from "../state/index.ts";
import { MemoryStore } from "../storage/index.ts";
import { FakeNetwork } from "./fake-network.ts";

/** Real spaces and documents of one node, kept in memory. */
export function fakeState(
  did: Did,
  clock: Clock,
  nodes: () => readonly DirectoryNode[],
): { readonly state: RunningState; readonly documents: RunningDocuments } {
  const mesh = new FakeNetwork({ clock }).join(did);
  const ports = { mesh, clock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
  const state = createSharedState({ ...ports, directory: { nodes }, store: new MemoryStore(), epoch: 1 });
  state.start();
  return { state, documents: createDocuments({ ...ports, store: new MemoryStore() }) };
}
