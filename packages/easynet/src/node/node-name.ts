import { createHash } from "node:crypto";

const COLOURS =
  "amber azure bronze cobalt coral crimson cyan ember golden green indigo ivory jade lilac lime maroon mint ochre olive onyx pearl plum ruby rust sage sand scarlet silver teal topaz umber violet".split(
    " ",
  );
const ANIMALS =
  "badger bear bison crane crow deer dove eagle elk falcon ferret finch fox hare hawk heron ibex jay koala lark lynx marten mole moose newt otter owl panda puma raven seal wolf".split(
    " ",
  );

/** A label that people can say, made from the key: `amber-fox`. 1,024 of them; it never identifies. */
export function nodeNameFor(did: string): string {
  const digest = createHash("sha256").update(did).digest();
  return `${COLOURS[digest.readUInt8(0) % COLOURS.length]}-${ANIMALS[digest.readUInt8(1) % ANIMALS.length]}`;
}
