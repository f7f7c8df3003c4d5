import { EasynetError } from "../kernel/index.ts";

/** The protocol versions that a node speaks, both ends included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

export const PROTOCOL_VERSIONS: VersionRange = { min: 1, max: 1 };

/** The newest version that both speak. @throws {EasynetError} VERSION_UNSUPPORTED when there is none */
export function negotiateVersion(own: VersionRange, theirs: VersionRange): number {
  const version = Math.min(own.max, theirs.max);
  if (version >= Math.max(own.min, theirs.min)) return version;
  const format = (range: VersionRange): string => `${range.min} to ${range.max}`;
  throw new EasynetError("VERSION_UNSUPPORTED", { offered: format(theirs), supported: format(own) });
}
