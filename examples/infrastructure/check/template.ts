/** CloudFormation templates as data, from JSON and from YAML. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

export interface Resource {
  readonly Type: string
  readonly Properties?: Json
}

export interface Template {
  readonly Parameters?: Readonly<Record<string, { readonly Type: string; readonly Default?: Json }>>
  readonly Resources: Readonly<Record<string, Resource>>
  readonly Outputs?: Readonly<
    Record<string, { readonly Value: Json; readonly Export?: { readonly Name: Json } }>
  >
}

/** YAML's short forms, `!Ref` and the others, in the long form that JSON has. */
const TAGS = ['Ref', 'GetAtt', 'Sub', 'Join', 'Select', 'GetAZs'].flatMap((name) => {
  const key = name === 'Ref' ? name : `Fn::${name}`
  const toLong = (value: unknown): unknown => ({
    [key]: name === 'GetAtt' && typeof value === 'string' ? value.split('.') : value,
  })
  return [
    { tag: `!${name}`, resolve: (scalar: string) => toLong(scalar) },
    ...(['seq', 'map'] as const).map((collection) => ({
      tag: `!${name}`,
      collection,
      resolve: (node: { toJSON: () => unknown }) => toLong(node.toJSON()),
    })),
  ]
})

export function readTemplate(path: string): Template {
  const source = readFileSync(path, 'utf8')
  return path.endsWith('.json') ? JSON.parse(source) : parse(source, { customTags: TAGS as never })
}

/** The value at a path of keys, or undefined where the path ends earlier. */
export function at(value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined {
  let found: unknown = value
  for (const key of path) found = (found as Record<string | number, unknown> | null | undefined)?.[key]
  return found as Json | undefined
}

/** The value there as text; JSON where it is more than a scalar. */
export function text(value: Json | undefined, ...path: readonly (string | number)[]): string {
  const found = at(value, ...path)
  return typeof found === 'object' ? JSON.stringify(found) : String(found)
}

/** The items of a list. As in IAM's documents, a single value stands for a list of one. */
export function items(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : [value]
}
