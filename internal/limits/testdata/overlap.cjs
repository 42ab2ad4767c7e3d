// Has graphql-js judge the documents in overlap.json by its rule
// OverlappingFieldsCanBeMerged. From the repository's root, with graphql 16 in $DIR/node_modules:
//   NODE_PATH=$DIR/node_modules go test ./internal/limits -run GraphQLJS -update
const fs = require('fs')
const { buildSchema, parse, validate, OverlappingFieldsCanBeMergedRule, version } = require('graphql')

const schema = buildSchema(fs.readFileSync('overlap.graphqls', 'utf8'))
const documents = JSON.parse(fs.readFileSync('overlap.json', 'utf8'))
for (const d of documents) {
  d.fine = validate(schema, parse(d.query), [OverlappingFieldsCanBeMergedRule]).length === 0
}
fs.writeFileSync('overlap.json', '[\n' + documents.map((d) => JSON.stringify(d)).join(',\n') + '\n]\n')
console.log(`graphql ${version}: ${documents.filter((d) => d.fine).length} of ${documents.length} are fine`)
