import type { AxiosInstance } from 'axios'
import type { Seen, Sent } from '../../recipes/library.ts'
import { formOf, jsonOf, streamOf } from './bodies.ts'

/** Both adapters of axios, and NestJS's HttpService, which is one. */
export async function sendByAxios(api: AxiosInstance, sent: Sent): Promise<Seen> {
  const { method, signal, body, headers = {} } = sent
  const other = body?.kind === 'stream' ? streamOf(sent) : formOf(sent)
  const { data } = await api.request<Seen>({
    url: '/v1/orders',
    method,
    // What `axios.postForm` does.
    headers: { ...(body?.kind === 'form' && { 'content-type': 'multipart/form-data' }), ...headers },
    ...(signal && { signal }),
    ...(method === 'POST' && { data: jsonOf(sent) ?? other }),
  })
  return data
}
