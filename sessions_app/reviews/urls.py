"""The addresses of reviews of the log and of access reviews."""

from django.urls import path

from sessions_app.reviews import access_views, log_views
from sessions_app.reviews.decide_views import access_review_decide

urlpatterns = [
    path("reviews/", log_views.reviews, name="reviews"),
    path("reviews/add/", log_views.log_review_add, name="log_review_add"),
    path("reviews/<int:pk>/", log_views.log_review, name="log_review"),
    path("reviews/<int:pk>/sign/", log_views.log_review_sign, name="log_review_sign"),
    path("reviews/<int:pk>/discard/", log_views.log_review_discard, name="log_review_discard"),
    path("reviews/<int:pk>/export/", log_views.log_review_export, name="log_review_export"),
    path("reviews/exceptions/add/", log_views.review_exception_add, name="review_exception_add"),
    path("reviews/exceptions/<int:pk>/", log_views.review_exception, name="review_exception"),
    path("reviews/exceptions/<int:pk>/close/", log_views.review_exception_close, name="review_exception_close"),
    path("reviews/exceptions/<int:pk>/remove/", log_views.review_exception_remove, name="review_exception_remove"),
    path("reviews/access/", access_views.access_reviews, name="access_reviews"),
    path("reviews/access/add/", access_views.access_review_add, name="access_review_add"),
    path("reviews/access/<int:pk>/", access_views.access_review, name="access_review"),
    path("reviews/access/<int:pk>/change/", access_views.access_review_change, name="access_review_change"),
    path("reviews/access/<int:pk>/decide/<slug:decision>/", access_review_decide, name="access_review_decide"),
    path("reviews/access/<int:pk>/commit/", access_views.access_review_commit, name="access_review_commit"),
    path("reviews/access/<int:pk>/cancel/", access_views.access_review_cancel, name="access_review_cancel"),
    path("reviews/access/<int:pk>/export/", access_views.access_review_export, name="access_review_export"),
    path("reviews/taken-away/", access_views.access_exceptions, name="access_exceptions"),
    path("reviews/taken-away/<int:pk>/lift/", access_views.access_exception_lift, name="access_exception_lift"),
]
