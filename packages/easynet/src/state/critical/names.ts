import type { CallOptions, CriticalStore } from "./types.ts";

/** Under which keys names are kept. */
const PREFIX = "name/";

export type NameOutcome =
  /** It is the owner's; it may have been before. */
  { readonly taken: true } | { readonly taken: false; readonly owner: string };

/** Gives a name to exactly one owner for good. @throws what `CriticalStore` throws */
export async function takeName(
  store: CriticalStore,
  { name, owner }: { readonly name: string; readonly owner: string },
  options: CallOptions = {},
): Promise<NameOutcome> {
  const value = Buffer.from(owner);
  const outcome = await store.compareAndSet({ key: PREFIX + name, revision: 0, value }, options);
  if (outcome.done) return { taken: true };
  const holder = Buffer.from(outcome.current?.value ?? []).toString();
  return holder === owner ? { taken: true } : { taken: false, owner: holder };
}

/** Frees a name if it is the owner's. False: it was not. @throws what `CriticalStore` throws */
export async function freeName(
  store: CriticalStore,
  { name, owner }: { readonly name: string; readonly owner: string },
  options: CallOptions = {},
): Promise<boolean> {
  const entry = await store.get(PREFIX + name, options);
  if (!entry || Buffer.from(entry.value).toString() !== owner) return false;
  return (await store.compareAndSet({ key: entry.key, revision: entry.revision }, options)).done;
}
