/* The page that shows the API, from files of our own server only. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

const place = document.getElementById("swagger");
SwaggerUI({ domNode: place, url: place.dataset.url, validatorUrl: null, deepLinking: true, docExpansion: "none", tryItOutEnabled: true });
