/** What is different between two looks at a service. */
import { answerOf, type Look } from './lookup.ts'
import { placeOf, type Row } from './compare.ts'

/** One change. `endpoint` is the row of `resolve`. */
export type Change =
  | { readonly event: 'endpoint.added' | 'endpoint.removed'; readonly endpoint: Row }
  | {
      readonly event: 'endpoint.changed'
      readonly endpoint: Row
      /** The fields that are different now, as they were. */
      readonly before: Partial<Row>
    }
  | { readonly event: 'source.failed'; readonly source: 'dns' | 'api'; readonly reason: string }
  | { readonly event: 'source.recovered'; readonly source: 'dns' | 'api' }
  | { readonly event: 'revision.changed'; readonly from: number | undefined; readonly to: number | undefined }

const FIELDS = ['zone', 'weight', 'health', 'id', 'difference', 'sources'] as const

/** What came, went and changed from one look to the next. */
export function changesBetween(previous: Look, next: Look): readonly Change[] {
  return [...sourceChanges(previous, next), ...revisionChanges(previous, next), ...rowChanges(previous, next)]
}

function sourceChanges(previous: Look, next: Look): Change[] {
  return (['dns', 'api'] as const).flatMap((source): Change[] => {
    const [before, now] = [previous[source], next[source]]
    if (now.state === 'failed' && before.state !== 'failed')
      return [{ event: 'source.failed', source, reason: now.reason }]
    return before.state === 'failed' && now.state === 'answered'
      ? [{ event: 'source.recovered', source }]
      : []
  })
}

function revisionChanges(previous: Look, next: Look): Change[] {
  const [before, now] = [answerOf(previous.api), answerOf(next.api)]
  if (before === undefined || now === undefined || before.revision === now.revision) return []
  return [{ event: 'revision.changed', from: before.revision, to: now.revision }]
}

function rowChanges(previous: Look, next: Look): Change[] {
  const before = byPlace(previous.rows)
  const now = byPlace(next.rows)
  return [
    ...previous.rows
      .filter((row) => !now.has(placeOf(row)))
      .map((endpoint) => ({ event: 'endpoint.removed', endpoint }) as const),
    ...next.rows.flatMap((endpoint): Change[] => {
      const old = before.get(placeOf(endpoint))
      if (old === undefined) return [{ event: 'endpoint.added', endpoint }]
      const different = FIELDS.filter((field) => String(old[field]) !== String(endpoint[field]))
      if (different.length === 0) return []
      const values = Object.fromEntries(different.map((field) => [field, old[field] ?? null]))
      return [{ event: 'endpoint.changed', endpoint, before: values }]
    }),
  ]
}

/** By address and port. */
function byPlace(rows: readonly Row[]): ReadonlyMap<string, Row> {
  return new Map(rows.map((row) => [placeOf(row), row]))
}
