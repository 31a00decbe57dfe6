import { expect, test } from 'vitest'
import { html, jsonElement } from '../../../../src/bench/report/html/markup.ts'
import { linearScale, logScale } from '../../../../src/bench/report/html/scale.ts'

test('values are escaped, in text and in attributes', () => {
  const evil = `"><script>alert('x')</script>&`
  expect(html`<p title="${evil}">${evil}</p>`.text).toBe(
    `<p title="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;">&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;</p>`,
  )
})

test('markup is not escaped again', () => {
  const items = ['a', '<'].map((item) => html`<li>${item}</li>`)
  expect(html`<b>${items}</b>`.text).toBe('<b><li>a</li><li>&lt;</li></b>')
})

test('JSON cannot end its script element', () => {
  const { text } = jsonElement('report', { name: '</script><script>alert(1)//<!--' })
  const json = text.replace(/^<script type="application\/json" id="report">/, '').replace(/<\/script>$/, '')
  expect(json).not.toContain('<')
  expect(JSON.parse(json)).toEqual({ name: '</script><script>alert(1)//<!--' })
})

test('scales have round ticks within their bounds', () => {
  const linear = linearScale(-0.13, 0.42, { from: 0, to: 100 })
  expect(linear.ticks.map((tick) => Number(tick.toFixed(6)))).toEqual([0, 0.2, 0.4])
  expect([linear.at(-0.13), linear.at(0.42)]).toEqual([0, 100])
  const log = logScale(0.3, 30, { from: 0, to: 100 })
  expect(log.ticks).toEqual([0.5, 1, 2, 5, 10, 20])
  expect(log.at(3)).toBeCloseTo(50, 9)
})

test('scales of one value, and of nothing, have places for it', () => {
  expect(Number.isFinite(linearScale(1, 1, { from: 0, to: 10 }).at(1))).toBe(true)
  expect(Number.isFinite(logScale(1, 1, { from: 0, to: 10 }).at(1))).toBe(true)
  expect(logScale(1, 10, { from: 0, to: 10 }).at(0)).toBe(0)
})
