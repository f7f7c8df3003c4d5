import { z } from "zod";
import { EasynetError } from "../../kernel/index.ts";
import { compareKeys } from "../../storage/index.ts";
import { EtcdGateway, type EtcdOptions } from "./etcd-gateway.ts";
import { counterOf } from "./machine-core.ts";
import type { Operation, Query, QueryAnswer, Reply } from "./operations.ts";
import { type Executor, OperationStore } from "./operation-store.ts";
import type { CallOptions, CriticalEntry, CriticalEvent, Lease } from "./types.ts";
import { watchEtcd } from "./etcd-watch.ts";
import { base64, bytesOf, etcdNumber, kvSchema, parseJson, prefixEnd, readAs, textOf, toEntry } from "./etcd-values.ts";

const rangeSchema = z.object({ kvs: z.array(kvSchema).default([]) });
const headerSchema = z.object({ header: z.object({ revision: etcdNumber }) });
const deleteSchema = z.object({ deleted: etcdNumber.default(0) });
const txnSchema = headerSchema.extend({
  succeeded: z.boolean().default(false),
  responses: z.array(z.object({ response_range: rangeSchema.optional() })).default([]),
});
/** Ids of leases are 64-bit numbers: kept as the text in which they came. */
const grantSchema = z.object({ ID: z.string() });
const keepAliveSchema = z.object({ result: z.object({ TTL: etcdNumber.default(0) }) });
const ownershipSchema = z.object({ owner: z.string(), ttlMs: z.number().int().positive() });

type Kv = z.infer<typeof kvSchema>;

/** Tries of a comparison that others keep winning, before the counter or lease counts as out of reach. */
const TRIES_MAX = 1000;

/** The critical state of those who already run etcd (3.4 or newer). A token is the mod_revision of the ownership key. */
export function createEtcdStore(options: EtcdOptions): OperationStore {
  return new OperationStore(new EtcdExecutor(options));
}

class EtcdExecutor implements Executor {
  readonly subject: string;
  readonly #gateway: EtcdGateway;
  readonly #keys: string;
  readonly #leases: string;

  constructor(options: EtcdOptions) {
    this.#gateway = new EtcdGateway(options);
    this.subject = this.#gateway.subject;
    const prefix = options.prefix ?? "easynet/";
    this.#keys = `${prefix}k/`;
    this.#leases = `${prefix}l/`;
  }

  async execute(operation: Operation, options: CallOptions): Promise<Reply> {
    switch (operation.kind) {
      case "put": {
        const body = { key: base64(this.#keys + operation.key), value: base64(operation.value) };
        const { header } = await this.#write("/v3/kv/put", body, { schema: headerSchema, ...options });
        return { kind: "written", revision: header.revision };
      }
      case "delete": {
        const body = { key: base64(this.#keys + operation.key) };
        const { deleted } = await this.#write("/v3/kv/deleterange", body, { schema: deleteSchema, ...options });
        return { kind: "removed", found: deleted > 0 };
      }
      case "set":
        return this.#set(operation, options);
      case "add":
        return this.#add(operation, options);
      case "acquire":
        return this.#acquire(operation, options);
      case "release":
      default: {
        const key = this.#leases + operation.resource;
        const { succeeded } = await this.#swap(key, { revision: operation.token }, options);
        return { kind: "removed", found: succeeded };
      }
    }
  }

  async query(query: Query, options: CallOptions): Promise<QueryAnswer> {
    if (query.kind === "holder") {
      const [kv] = await this.#range({ key: base64(this.#leases + query.resource) }, options);
      return { kind: "lease", lease: kv && toLease(kv, query.resource) };
    }
    if (query.kind === "get") {
      const kvs = await this.#range({ key: base64(this.#keys + query.key) }, options);
      return { kind: "entries", entries: kvs.map((kv) => toEntry(kv, this.#keys)) };
    }
    const { prefix, after, limit } = query;
    const start = after !== undefined && compareKeys(after, prefix) >= 0 ? `${after}\0` : prefix;
    const body = { key: base64(this.#keys + start), range_end: prefixEnd(this.#keys + prefix), limit };
    const kvs = await this.#range(body, options);
    return { kind: "entries", entries: kvs.map((kv) => toEntry(kv, this.#keys)) };
  }

  async keepAlive(lease: Lease, options: CallOptions): Promise<boolean> {
    const [kv] = await this.#range({ key: base64(this.#leases + lease.resource) }, options);
    if (kv?.mod_revision !== lease.token || kv.lease === undefined) return false;
    const request = {
      path: "/v3/lease/keepalive",
      body: { ID: kv.lease },
      schema: keepAliveSchema,
      effect: "write",
    } as const;
    const { result } = await this.#gateway.ask(request, options);
    return result.TTL > 0;
  }

  async watch(prefix: string, listener: (event: CriticalEvent) => void): Promise<Disposable> {
    const list = async (): Promise<readonly CriticalEntry[]> => {
      const body = { key: base64(this.#keys + prefix), range_end: prefixEnd(this.#keys + prefix) };
      return (await this.#range(body, {})).map((kv) => toEntry(kv, this.#keys));
    };
    return watchEtcd({ gateway: this.#gateway, strip: this.#keys, prefix: this.#keys + prefix, list, listener });
  }

  async #set(operation: Extract<Operation, { readonly kind: "set" }>, options: CallOptions): Promise<Reply> {
    const { key, revision, value } = operation;
    // Deleting what must not be there changes nothing, but has to look.
    const change = { revision, ...(value && { value: base64(value) }) };
    const { succeeded, header, current } = await this.#swap(this.#keys + key, change, options);
    if (succeeded) return { kind: "written", revision: header.revision };
    return { kind: "unchanged", current: current && toEntry(current, this.#keys) };
  }

  async #add({ key, by }: Extract<Operation, { readonly kind: "add" }>, options: CallOptions): Promise<Reply> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const [kv] = await this.#range({ key: base64(this.#keys + key) }, options);
      const before = kv ? counterOf(bytesOf(kv.value)) : 0;
      if (before === undefined) return { kind: "invalid", reason: "it holds something else than a counter" };
      const sum = before + by;
      if (!Number.isSafeInteger(sum)) return { kind: "invalid", reason: "the counter would pass what a number holds" };
      const change = { revision: kv?.mod_revision ?? 0, value: base64(String(sum)) };
      if ((await this.#swap(this.#keys + key, change, options)).succeeded) return { kind: "sum", sum };
    }
    throw this.#contended();
  }

  async #acquire(operation: Extract<Operation, { readonly kind: "acquire" }>, options: CallOptions): Promise<Reply> {
    const { resource, owner, ttlMs } = operation;
    const key = this.#leases + resource;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const [kv] = await this.#range({ key: base64(key) }, options);
      const holder = kv && toLease(kv, resource);
      if (holder && holder.owner !== owner) return { kind: "held", lease: holder };
      const body = { TTL: String(Math.ceil(ttlMs / 1000)) };
      const { ID } = await this.#write("/v3/lease/grant", body, { schema: grantSchema, ...options });
      const value = base64(JSON.stringify({ owner, ttlMs }));
      const change = { revision: kv?.mod_revision ?? 0, value, lease: ID };
      const { succeeded, header } = await this.#swap(key, change, options);
      // The lease that is not used (any more) would only end by itself; the key hangs on the new one.
      const unused = succeeded ? kv?.lease : ID;
      if (unused !== undefined) await this.#revoke(unused);
      if (succeeded) return { kind: "granted", lease: { resource, owner, ttlMs, token: header.revision } };
    }
    throw this.#contended();
  }

  /** It ends by itself when that fails. */
  async #revoke(id: string): Promise<void> {
    await this.#write("/v3/lease/revoke", { ID: id }, { schema: z.object({}) }).catch(() => undefined);
  }

  /** Writes, or deletes without a value, if the key has this revision. */
  async #swap(
    key: string,
    { revision, value, lease }: { readonly revision: number; readonly value?: string; readonly lease?: string },
    options: CallOptions,
  ): Promise<z.infer<typeof txnSchema> & { readonly current: Kv | undefined }> {
    const name = base64(key);
    const body = {
      compare: [{ key: name, target: "MOD", result: "EQUAL", mod_revision: String(revision) }],
      success: [
        value === undefined
          ? { request_delete_range: { key: name } }
          : { request_put: { key: name, value, ...(lease !== undefined && { lease }) } },
      ],
      failure: [{ request_range: { key: name } }],
    };
    const answer = await this.#write("/v3/kv/txn", body, { schema: txnSchema, ...options });
    return { ...answer, current: answer.responses[0]?.response_range?.kvs[0] };
  }

  async #range(body: unknown, options: CallOptions): Promise<readonly Kv[]> {
    const request = { path: "/v3/kv/range", body, schema: rangeSchema, effect: "read" } as const;
    return (await this.#gateway.ask(request, options)).kvs;
  }

  async #write<Schema extends z.ZodType>(
    path: string,
    body: unknown,
    { schema, ...options }: CallOptions & { readonly schema: Schema },
  ): Promise<z.output<Schema>> {
    return this.#gateway.ask({ path, body, schema, effect: "write" }, options);
  }

  #contended(): EasynetError {
    return new EasynetError("NO_MAJORITY", { group: this.subject, reason: `others won ${TRIES_MAX} times in a row` });
  }
}

function toLease(kv: Kv, resource: string): Lease {
  const { owner, ttlMs } = readAs(ownershipSchema, parseJson(textOf(kv.value)));
  return { resource, owner, ttlMs, token: kv.mod_revision };
}
