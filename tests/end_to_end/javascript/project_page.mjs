// Does what a project's page asks for, on the server and in the browser, fit its models?
//
// Every request is made by Zooniverse's own panoptes.js (with its documented `host` argument, as the
// project pages' server does) and graphql-request.
// Usage: node project_page.mjs <sandbox> <project slug> <workflow id> <report file>
import panoptesJs from '@zooniverse/panoptes-js'
import { GraphQLClient } from 'graphql-request'
import { resources } from './contract/resources.mjs'
import { postedAnnotations, proposedMarks } from './contract/marks.mjs'
import { Report, expect } from './contract/report.mjs'

const [sandbox, slug, workflowId, reportPath] = process.argv.slice(2)
const host = `${sandbox}/api`
const { panoptes, projects } = panoptesJs
const report = new Report()

const get = async (path, query = {}, headers = {}) => (await panoptes.get(path, query, headers, host)).body
const fits = (kind, snapshot) => resources[kind].create(snapshot)
const one = async (path, key, query) => (await get(path, query))[key][0]

// The server of the project pages.
let project
await report.check('project by slug with owners and pictures', async () => {
  const query = { slug, env: 'production' }
  const headers = { 'X-Forwarded-Proto': 'https' }
  const { body } = await projects.getWithLinkedResources({ query, headers, host })
  project = body.projects[0]
  fits('projectPage', project)
  fits('project', project)
  fits('medium', body.linked.avatars[0])
  fits('medium', body.linked.backgrounds[0])
  fits('user', body.linked.owners[0])
})
await report.check('project by slug, in its page address', async () => {
  const { body } = await projects.getBySlug({ query: { slug: `/projects/${slug}` }, host })
  expect(body.projects[0].id === project.id, 'the same project')
})
await report.check('pages of text', async () => {
  expect(Array.isArray((await get(`/projects/${project.id}/pages`)).project_pages), 'a list of pages')
})
await report.check('texts of the project in another language and its own', async () => {
  const query = { translated_type: 'project', translated_id: project.id, language: 'fr,en' }
  const { translations } = await get('/translations', query)
  translations.forEach(translation => fits('translation', translation))
  expect(translations.some(({ language }) => language === 'en'), 'the original texts')
})
await report.check('workflow cards with their subject sets', async () => {
  const { workflows, linked } = await get('/workflows', {
    complete: false, env: 'production', fields: 'completeness,grouped',
    id: project.links.active_workflows.join(','), include: 'subject_sets' })
  workflows.forEach(workflow => fits('workflowCard', workflow))
  linked.subject_sets.forEach(set => fits('subject_set', set))
  const { translations } = await get('/translations', {
    fields: 'strings,translated_id', language: 'en', translated_type: 'workflow',
    translated_id: workflows.map(({ id }) => id).join(',') })
  const named = translations.map(({ translated_id, strings }) => [String(translated_id), strings.display_name])
  expect(workflows.every(({ id }) => typeof Object.fromEntries(named)[id] === 'string'), 'a name for each workflow')
})
await report.check('a preview of a subject set', async () => {
  const query = { subject_set_id: (await one('/subject_sets', 'subject_sets', { project_id: project.id })).id }
  const { linked } = await get('/set_member_subjects', { ...query, include: 'subject', page_size: 1 })
  const [[mime]] = Object.entries(linked.subjects[0].locations[0])
  expect(mime === 'image/png', `a picture, got ${mime}`)
})
await report.check('the team', async () => {
  const { project_roles: roles, meta } = await get('/project_roles', { project_id: project.id, page: 1 })
  roles.forEach(role => fits('role', role))
  expect(meta.project_roles.next_page === null, 'one page of roles')
  const { users } = await get('/users', { id: roles.map(({ links }) => links.owner.id).join(','), page: 1 })
  users.forEach(user => fits('user', user))
})

// The classifier.
let workflow, subjects
await report.check('the workflow', async () => {
  workflow = await one(`/workflows/${workflowId}`, 'workflows')
  fits('workflow', workflow)
})
await report.check('the texts on screen', async () => {
  const query = { translated_type: 'workflow', translated_id: workflowId, language: 'en' }
  const { strings } = await one('/translations', 'translations', query)
  const missing = ['display_name']
  for (const [key, task] of Object.entries(workflow.tasks)) {
    missing.push(`tasks.${key}.${task.type === 'drawing' ? 'instruction' : 'question'}`)
    task.tools?.forEach((tool, place) => {
      missing.push(`tasks.${key}.tools.${place}.label`)
      tool.details?.forEach((detail, number) => missing.push(
        `tasks.${key}.tools.${place}.details.${number}.${detail.type === 'text' ? 'instruction' : 'question'}`))
    })
  }
  const lost = missing.filter(name => typeof strings[name] !== 'string')
  expect(lost.length === 0, `texts under ${lost}`)
})
await report.check('tutorials and their pictures', async () => {
  const { tutorials } = await get('/tutorials', { workflow_id: workflowId })
  expect(tutorials.length === 1, `one tutorial, got ${tutorials.length}`)
  fits('tutorial', tutorials[0])
  const { media } = await get(`/tutorials/${tutorials[0].id}/attached_images`)
  fits('medium', media[0])
  expect(media[0].id === tutorials[0].steps[0].media, 'the picture that the step names')
})
await report.check('the field guide and its icons', async () => {
  const guide = await one('/field_guides', 'field_guides', { project_id: project.id })
  fits('field_guide', guide)
  const { media } = await get(`/field_guides/${guide.id}/attached_images`)
  fits('medium', media[0])
  expect(media[0].id === guide.items[0].icon, 'the icon that the item names')
})
await report.check('a queue of subjects', async () => {
  subjects = (await get('/subjects/queued', { workflow_id: workflowId })).subjects
  expect(subjects.length >= 3, `three or more, got ${subjects.length}`)
  subjects.forEach(subject => fits('subject', subject))
})
await report.check('subjects by their ids', async () => {
  const ids = subjects.slice(0, 2).map(({ id }) => id)
  const chosen = (await get('/subjects/selection', { ids: ids.join(','), workflow_id: workflowId })).subjects
  chosen.forEach(subject => fits('subject', subject))
  expect(JSON.stringify(chosen.map(({ id }) => id)) === JSON.stringify(ids), 'these in this order')
})
await report.check('a grid of subjects', async () => {
  const query = { workflow_id: workflowId, num_rows: 1, num_columns: 2 }
  const { subjects: [grid] } = await get('/subjects/grouped', query)
  fits('subject', grid)
  expect(/^\d+-\d+$/.test(grid.metadata['#group_subject_ids']), 'the ids of the grid\'s subjects')
})
await report.check('subjects of one set', async () => {
  const query = { workflow_id: workflowId, subject_set_id: workflow.links.subject_sets[0] }
  const { subjects: queue } = await get('/subjects/queued', query)
  queue.forEach(subject => fits('subject', subject))
  fits('subject_set', await one(`/subject_sets/${query.subject_set_id}`, 'subject_sets'))
})
await report.check('proposals become marks', async () => {
  const caesar = new GraphQLClient(`${sandbox}/graphql`)
  const query = `{ workflow(id: ${workflowId}) { subject_reductions(subjectId: ${subjects[0].id}, ` +
    'reducerKey:"machineLearnt") { data } } }'
  const { workflow: { subject_reductions: reductions } } = await caesar.request(query)
  const made = proposedMarks(workflow, reductions)
  // Classifiers of before June 2026 know no defaults for these.
  report.facts.named = reductions.every(({ data }) => data.data.every(datum =>
    typeof datum.stepKey === 'string' && Number.isInteger(datum.taskIndex) && Number.isInteger(datum.toolIndex)))
  report.facts.marks = made.map(({ tool, mark, kept }) => ({ tool, kept, ...mark }))
  report.facts.posted = postedAnnotations(workflow, made)
  report.facts.unknown = [...new Set(made.flatMap(({ unknown }) => unknown))]
})
await report.check('a missing subject is a JSON-API error', async () => {
  const failure = await get('/subjects/999999').catch(error => error)
  expect(failure.status === 404, `404, got ${failure.status}`)
  expect(Array.isArray(failure.response.body.errors), 'a list of errors in the body')
})
report.write(reportPath)
