/**
 * A number for a short string, the same in every process and on every machine: clients must agree on the tasks of a key.
 *
 * FNV-1a over UTF-16 code units (Fowler, Noll, Vo; draft-eastlake-fnv), then the finalizer of MurmurHash3 (Austin
 * Appleby, public domain). FNV alone hardly changes the high bits for strings that differ in their last character, as
 * addresses in a subnet do. Not for secrets: collisions are easy to find.
 * @returns a signed integer of 32 bits
 */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return spread(hash)
}

/** The hash of a pair, from the hashes of both. @returns an integer from 0 to 2^32 - 1 */
export function hashOfBoth(one: number, other: number): number {
  return spread(one ^ other) >>> 0
}

/** MurmurHash3's fmix32: each input bit changes each output bit with a probability of one half. */
function spread(bits: number): number {
  let hash = bits
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
