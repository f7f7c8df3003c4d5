import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { didFromPublicKey, generateKeyPair } from "../identity/index.ts";
import { isEasynetError } from "../kernel/index.ts";
import {
  advertisedAddresses,
  didFromPeerId,
  formatAddress,
  type NodeAddress,
  parseAddress,
  peerIdFromDid,
} from "./libp2p-address.ts";

const did = generateKeyPair().did;
const listening = (host: string): NodeAddress => ({ protocol: "ip4", host, transport: "tcp", port: 7441, did });

describe("addresses", () => {
  test("a did and its peer id convert one to one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        const name = didFromPublicKey(key);
        const peerId = peerIdFromDid(name);
        expect(peerId).toMatch(/^12D3Koo/);
        expect(didFromPeerId(peerId)).toBe(name);
      }),
    );
  });

  test("the peer id of a known key is the one that libp2p gives it", () => {
    // The pair comes from libp2p 3.3.11.
    const name = didFromPublicKey(new Uint8Array(32).fill(7));
    expect(peerIdFromDid(name)).toBe("12D3KooWAHoEkEqnKzM5PXFygh2movVBCSX3k8tDsT2cneU68Gyt");
  });

  test("a multiaddr with a key is read and written alike", () => {
    const text = `/ip4/192.168.1.20/tcp/7441/p2p/${peerIdFromDid(did)}`;
    expect(parseAddress(text)).toEqual({ protocol: "ip4", host: "192.168.1.20", transport: "tcp", port: 7441, did });
    expect(formatAddress(parseAddress(text))).toBe(text);
  });

  test.for([
    ["/ip4/1.2.3.4/tcp/7442/ws", "ws"],
    ["/dns/net.example.org/tcp/443/tls/ws", "wss"],
    ["/ip6/::1/udp/7441/quic-v1", "quic-v1"],
  ])("%s is read and written alike, with and without a key", ([text = "", transport]) => {
    const keyed = `${text}/p2p/${peerIdFromDid(did)}`;
    expect(parseAddress(text)).toMatchObject({ transport, did: undefined });
    expect(parseAddress(keyed)).toMatchObject({ transport, did });
    expect([formatAddress(parseAddress(text)), formatAddress(parseAddress(keyed))]).toEqual([text, keyed]);
  });

  test("wss is short for tls/ws, and a transport over the wrong protocol is refused", () => {
    expect(formatAddress(parseAddress("/dns/host/tcp/443/wss"))).toBe("/dns/host/tcp/443/tls/ws");
    for (const text of ["/ip4/1.2.3.4/udp/1", "/ip4/1.2.3.4/udp/1/ws", "/ip4/1.2.3.4/tcp/1/quic-v1"]) {
      expect(() => parseAddress(text)).toThrow(/transport/);
    }
  });

  test("host:port, host:port#did and [ip6]:port are read", () => {
    const tcp = { transport: "tcp" };
    expect(parseAddress("desk.local:80")).toEqual({
      protocol: "dns",
      host: "desk.local",
      ...tcp,
      port: 80,
      did: undefined,
    });
    expect(parseAddress(`10.0.0.1:7441#${did}`)).toEqual({
      protocol: "ip4",
      host: "10.0.0.1",
      ...tcp,
      port: 7441,
      did,
    });
    expect(parseAddress("[::1]:7441")).toEqual({ protocol: "ip6", host: "::1", ...tcp, port: 7441, did: undefined });
  });

  test("any other text is INVALID_ARGUMENT and nothing else", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 600 }), (text) => {
        let outcome = "read";
        try {
          outcome = parseAddress(text).port <= 65_535 ? "read" : "port too high";
        } catch (error) {
          outcome = isEasynetError(error, "INVALID_ARGUMENT") ? "refused" : String(error);
        }
        expect(["read", "refused"]).toContain(outcome);
      }),
    );
  });

  test("a wildcard is advertised as the machine's addresses, never as itself", () => {
    const texts = advertisedAddresses([listening("0.0.0.0")], ["192.168.1.20", "10.0.0.3"]).map((one) => one.host);
    expect(texts).toEqual(["192.168.1.20", "10.0.0.3"]);
  });

  test("a machine without network advertises loopback, and loopback stays loopback", () => {
    expect(advertisedAddresses([listening("0.0.0.0")], []).map((one) => one.host)).toEqual(["127.0.0.1"]);
    expect(advertisedAddresses([listening("127.0.0.1")], ["10.0.0.3"]).map((one) => one.host)).toEqual(["127.0.0.1"]);
  });
});
