/** Every frame type with its number on the wire; numbers are never reused (docs/protocol/frames.md). */
export const FRAME_TYPES = {
  /** First frame of a link in each direction: versions, network, membership. */
  hello: 1,
  /** The hello was accepted; the link may be used. */
  welcome: 2,
  /** The link was refused or ends; carries a wire error. */
  goodbye: 3,
  ping: 4,
  pong: 5,
  /** Gives back receive window of one lane. */
  credit: 6,
  /** Directory: digest of what is known, and entries. */
  "directory-digest": 16,
  "directory-entries": 17,
  /** Load vector of the sender. */
  load: 18,
  /** Exchanges: one task is one exchange. */
  "exchange-open": 32,
  "exchange-input": 33,
  "exchange-event": 34,
  "exchange-credit": 35,
  "exchange-cancel": 36,
  /** Joining: the only frame that a stranger may send, and its answer. */
  "join-request": 64,
  "join-answer": 65,
  /** A member passes a stranger's request on to the issuer, which answers. */
  "join-forward": 66,
  "join-forwarded": 67,
  /** A member asks for a membership that holds longer. */
  "membership-renew": 68,
  "membership-renewed": 69,
  /** To a node of which a second process with the same key lives. */
  "identity-duplicated": 70,
  /** A machine without a code waits at the sender; and the membership for it, of a member that approved it. */
  "join-asked": 71,
  "join-approved": 72,
  /** Failure detection: probes and news of members. */
  swim: 80,
  /** Epidemic broadcast: payloads, and what keeps them complete. */
  gossip: 81,
  /** Relay: a connection to a third member through this link (docs/protocol/relay.md). */
  "relay-open": 96,
  "relay-accept": 97,
  "relay-data": 98,
  "relay-credit": 99,
  "relay-close": 100,
  /** Hole punching: how a member sees this end, and the agreement to dial each other (docs/protocol/punch.md). */
  "seen-ask": 101,
  "seen-told": 102,
  "punch-offer": 103,
  "punch-answer": 104,
  /** Last frame of a lane of a link that another one takes the place of. */
  moved: 105,
  /** Reliable messages: consecutive ones of a lane, and what the recipient has of it (docs/protocol/messages.md). */
  "message-batch": 112,
  "message-ack": 113,
  /** Something before the last batch is missing: send it again. */
  "message-gap": 114,
  /** First of the recipient on a new link: what it has of every lane. */
  "message-watermarks": 115,
  /** Artifacts by content address: who has one, and its blocks (docs/protocol/artifacts.md). */
  "artifact-ask": 136,
  "artifact-have": 137,
  "artifact-want": 138,
  "artifact-block": 139,
  "artifact-missing": 140,
  "artifact-cancel": 141,
  /** Consensus between the members of a group: messages of Raft, pieces of a snapshot, questions and answers. */
  "raft-messages": 144,
  "raft-snapshot": 145,
  "raft-ask": 146,
  "raft-answer": 147,
  /** Spaces of shared state: changes, what is known and asked for, and entries (docs/protocol/state.md). */
  "state-push": 148,
  "state-sync": 149,
  "state-entries": 150,
  /** Documents: what of one is known, and its changes in parts. */
  "document-ask": 152,
  "document-part": 153,
} as const;

export type FrameType = keyof typeof FRAME_TYPES;
