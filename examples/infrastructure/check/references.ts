/** Follows references within and between the stacks of a style, to names that both styles have. */
import type { Stack, Style } from './styles.ts'
import { at, type Json, type Resource, text } from './template.ts'

/** Attributes that equal what `Ref` returns, or add nothing to the name. */
const SAME = new Set(['Id', 'GroupId', 'TargetGroupArn'])

/** The value of a stack's property with each reference replaced by the name of what it refers to. */
export type Resolve = (stack: Stack, value: Json | undefined) => Json | undefined

export function resolver({ stacks }: Style): Resolve {
  const resolve: Resolve = (stack, value) => {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((item) => resolve(stack, item) ?? null)
    const entries = Object.entries(value)
    const [[key, argument] = []] = entries
    if (entries.length === 1 && key && argument !== undefined && /^(Ref$|Fn::)/.test(key))
      return intrinsic(stack, key, argument)
    return Object.fromEntries(entries.map(([name, item]) => [name, resolve(stack, item) ?? null]))
  }

  function intrinsic(stack: Stack, key: string, argument: Json): Json | undefined {
    switch (key) {
      case 'Ref':
        return refer(stack, text(argument))
      case 'Fn::GetAtt':
        return refer(stack, ...(argument as [string, string]))
      case 'Fn::Sub':
        return substitute(stack, argument)
      case 'Fn::Join': {
        const [separator, list] = argument as [string, Json]
        const parts = resolve(stack, list)
        return Array.isArray(parts) ? parts.map(String).join(separator) : (parts ?? null)
      }
      case 'Fn::ImportValue':
        return (
          output((candidate) => at(candidate as Json, 'Export', 'Name') === argument) ??
          `(import ${text(argument)})`
        )
      default:
        return `(${key})`
    }
  }

  function substitute(stack: Stack, argument: Json): string {
    const [pattern, own] = Array.isArray(argument) ? (argument as [string, Json]) : [text(argument), {}]
    return pattern.replaceAll(/\$\{([^}]+)\}/g, (_match, name: string) => {
      const given = at(own, name)
      const found =
        given === undefined ? refer(stack, ...(name.split('.') as [string])) : resolve(stack, given)
      return text(found)
    })
  }

  function refer(stack: Stack, id: string, attribute?: string): string {
    if (id.startsWith('AWS::')) return `\${${id}}`
    const resource = stack.template.Resources[id]
    if (resource) {
      const suffix = attribute && !SAME.has(attribute) ? `.${attribute}` : ''
      return `${nameOf(stack, resource)}${suffix}`
    }
    if (!stack.template.Parameters?.[id])
      throw new Error(`${stack.name}: ${id} is neither a resource nor a parameter.`)
    return text(output((_value, name) => name === id) ?? `(${id})`)
  }

  function output(matches: (output: unknown, name: string) => boolean): Json | undefined {
    for (const stack of stacks)
      for (const [name, candidate] of Object.entries(stack.template.Outputs ?? {}))
        if (matches(candidate, name)) return resolve(stack, candidate.Value)
    return undefined
  }

  return resolve
}

/** Names a resource by its stack and what a person calls it, since CDK's logical ids are its own. */
export function nameOf(stack: Stack, { Type: type, Properties: properties }: Resource): string {
  const name = ['GroupDescription', 'Name', 'CidrBlock'].map((key) => at(properties, key)).find(Boolean)
  return `${type.replace(/^AWS::\w+::/, '')}(${stack.name}${name ? `: ${text(name)}` : ''})`
}
