import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'

/** Decisions by chance: the same ones for the same seeds, whatever else was drawn meanwhile. */
export class Draw {
  readonly #random: { next(): number }

  constructor(...seeds: readonly (number | string)[]) {
    this.#random = seededRandom(hash(seeds.join(' ')))
  }

  next(): number {
    return this.#random.next()
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  /** An integer from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.integer(0, items.length - 1)] as Item
  }

  /** One of the keys, each as often as its value says. */
  weighted<Key extends string>(weights: Readonly<Record<Key, number>>): Key {
    const entries = Object.entries(weights) as [Key, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      left -= weight
      if (left < 0) return key
    }
    return (entries.at(-1) as [Key, number])[0]
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  // Neighbouring seeds differ in the last bits only.
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  return (value ^ (value >>> 13)) >>> 0
}
