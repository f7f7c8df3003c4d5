import type { Did } from "../identity/index.ts";
import { didFromPeerId, peerIdFromDid } from "./libp2p-address.ts";

const CIRCUIT = /^\/p2p\/([^/]{1,80})\/p2p-circuit\/p2p\/([^/]{1,80})$/;

/** `/p2p/RELAY/p2p-circuit/p2p/TARGET`: to `target` through the member `relay`, over the link to it. */
export function formatCircuit(relay: Did, target: Did): string {
  return `/p2p/${peerIdFromDid(relay)}/p2p-circuit/p2p/${peerIdFromDid(target)}`;
}

/** Undefined for an address that is no circuit. @throws {EasynetError} INVALID_ARGUMENT */
export function parseCircuit(address: string): { readonly relay: Did; readonly target: Did } | undefined {
  const [, relay, target] = CIRCUIT.exec(address) ?? [];
  if (relay === undefined || target === undefined) return undefined;
  return { relay: didFromPeerId(relay), target: didFromPeerId(target) };
}
