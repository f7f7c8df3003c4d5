import { EasynetError } from "../kernel/index.ts";
import { Home } from "./home.ts";

/**
 * Gives up the membership of a folder in which no node runs. Undefined when it is in no network.
 * @throws {EasynetError} LEAVE_UNCONFIRMED with the network's root key, unless `confirmed`; NODE_ALREADY_RUNNING
 */
export function leaveNetwork(
  folder: string,
  options: { readonly confirmed: boolean },
): { network: string } | undefined {
  const home = new Home(folder);
  using _lock = home.lock();
  const membership = home.membership();
  if (!membership) return undefined;
  const isCreator = home.rootKey()?.did === membership.network;
  if (isCreator && !options.confirmed) throw new EasynetError("LEAVE_UNCONFIRMED", { network: membership.networkName });
  home.removeMembership();
  return { network: membership.networkName };
}
