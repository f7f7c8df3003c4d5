export { compareStamps, HybridClock, isStamp, SKEW_MS_MAX, type Stamp } from "./hybrid-clock-core.ts";
export {
  type Dot,
  formatToken,
  type Order,
  parseToken,
  VersionVector,
  WRITERS_COUNT_MAX,
} from "./version-vector-core.ts";
