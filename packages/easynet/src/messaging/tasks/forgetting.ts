import type { Store, Write } from "../../storage/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { EVENTS_SPACE, FORGOTTEN_SPACE, TASKS_SPACE } from "./record-codec.ts";
import type { StoredTask } from "./stored-task.ts";
import { idTimeMs } from "./table-core.ts";

/** Time in the youngest id of `caller` whose outcome was forgotten; -1 when none was. */
export function forgottenAtMs(store: Store, caller: string): number {
  const row = store.get(FORGOTTEN_SPACE, caller);
  const atMs = row && decodeValue(row);
  return typeof atMs === "number" ? atMs : -1;
}

/** The writes that forget a task, and remember that its id was used. @param before writes of the same commit */
export function rowsToForget(store: Store, { key, record }: StoredTask, before: readonly Write[]): readonly Write[] {
  const writes: Write[] = [{ kind: "delete", space: TASKS_SPACE, key }];
  const prefix = `${key}/`;
  let page = store.list(EVENTS_SPACE, { prefix });
  while (page.length > 0) {
    for (const row of page) writes.push({ kind: "delete", space: EVENTS_SPACE, key: row.key });
    page = store.list(EVENTS_SPACE, { prefix, after: page.at(-1)?.key ?? prefix });
  }
  const { caller, id } = record;
  const earlier = before.findLast((write) => write.space === FORGOTTEN_SPACE && write.key === caller);
  const knownMs = earlier?.kind === "put" ? decodeValue(earlier.value) : forgottenAtMs(store, caller);
  const atMs = idTimeMs(id) ?? -1;
  if (atMs > (typeof knownMs === "number" ? knownMs : -1)) {
    writes.push({ kind: "put", space: FORGOTTEN_SPACE, key: caller, value: encodeValue(atMs) });
  }
  return writes;
}
