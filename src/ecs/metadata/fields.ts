import { MetadataInvalidError } from './errors.ts'
import type { Document } from './fetch-metadata.ts'

/** Reads fields of a JSON object, and says which is wrong, what it is, and what it should be. */
export class Fields {
  readonly #uri: string
  readonly #path: string
  readonly #values: Readonly<Record<string, unknown>>

  /** @param path of this object within its document: `Networks[0]`; empty for the document itself */
  constructor({ uri, body }: Document, path = '') {
    this.#uri = uri
    this.#path = path
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new MetadataInvalidError(
        uri,
        `${path === '' ? 'the answer' : path} is ${describe(body)}, not an object`,
      )
    }
    this.#values = body as Record<string, unknown>
  }

  string(name: string): string {
    const value = this.#values[name]
    if (typeof value !== 'string' || value === '') throw this.invalid(name, 'a non-empty string')
    return value
  }

  /** A string that may be missing; empty is missing. */
  optional(name: string): string | undefined {
    const value = this.#values[name]
    if (value === undefined || value === null || value === '') return undefined
    return this.string(name)
  }

  strings(name: string): readonly string[] {
    const values = this.#array(name)
    if (!values.every((value) => typeof value === 'string')) throw this.invalid(name, 'an array of strings')
    return values
  }

  records(name: string): readonly Fields[] {
    return this.#array(name).map(
      (body, index) => new Fields({ uri: this.#uri, body }, `${this.#at(name)}[${index}]`),
    )
  }

  invalid(name: string, expected: string): MetadataInvalidError {
    const given = describe(this.#values[name])
    return new MetadataInvalidError(this.#uri, `${this.#at(name)} is ${given}, and not ${expected}`)
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }

  /** Agents leave out what is empty. */
  #array(name: string): readonly unknown[] {
    const value = this.#values[name] ?? []
    if (!Array.isArray(value)) throw this.invalid(name, 'an array')
    return value
  }
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
