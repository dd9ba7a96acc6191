/* global SwaggerUIBundle */
// validatorUrl would send the description to a server of swagger.io.
SwaggerUIBundle({ url: '/openapi.json', dom_id: '#reference', deepLinking: true, validatorUrl: null });
